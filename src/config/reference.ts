import { jsonSchema } from './schema.ts';
import type { Schema } from './suggestions.ts';

/** The table of all settings for docs/configuration.md, from the schema, so that none is missing or out of date. */
export function reference(): string {
  const root = jsonSchema() as Schema;
  return Object.entries(root.properties ?? {})
    .map(([name, section]) => chapter(name, section, root.required?.includes(name) === true))
    .join('\n');
}

function chapter(name: string, section: Schema, required: boolean): string {
  const inner = settings(section, name);
  const rows = inner.length > 0 ? inner : [row(name, section, required)];
  const head = `## ${name}\n\n${section.description ?? ''}${required ? ' Must be given.' : ''}\n`;
  return `${head}\n| setting | value | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

/** A row for each setting below; a section's own row only where it can be more than its settings. */
function settings(schema: Schema, path: string): string[] {
  return forms(schema).flatMap((form) => [
    ...Object.entries(form.properties ?? {}).flatMap(([key, child]) => {
      const inner = settings(child, `${path}.${key}`);
      const required = form.required?.includes(key) === true;
      return isPlainSection(child) ? inner : [row(`${path}.${key}`, child, required), ...inner];
    }),
    ...(form.items === undefined ? [] : settings(form.items, `${path}[]`)),
    ...(typeof form.additionalProperties === 'object'
      ? settings(form.additionalProperties, `${path}.DOMAIN`)
      : []),
  ]);
}

function forms(schema: Schema): Schema[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(forms)];
}

function isPlainSection(schema: Schema): boolean {
  return schema.properties !== undefined && schema.default !== undefined;
}

function row(path: string, schema: Schema, required: boolean): string {
  const standard = required ? 'must be given' : schema.default === undefined ? 'none' : code(schema.default);
  const cells = [`\`${path}\``, kindOf(schema), standard, schema.description ?? ''];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function kindOf(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(kindOf).join(', ');
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.title !== undefined) return schema.title + (schema.type === undefined ? '' : nullable(schema));
  if (schema.minimum !== undefined) return `${schema.minimum} to ${schema.maximum}`;
  if (schema.items !== undefined) return 'list';
  if (schema.properties !== undefined || schema.additionalProperties !== undefined) return 'settings';
  if ([schema.type].flat().includes('boolean')) return `\`true\`, \`false\`${nullable(schema)}`;
  return schema.type === 'null' ? '`null`' : 'text';
}

function nullable(schema: Schema): string {
  return Array.isArray(schema.type) && schema.type.includes('null') ? ', `null`' : '';
}
