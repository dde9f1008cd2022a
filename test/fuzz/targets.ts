import { client, sasl } from './client-targets.ts';
import { header } from './header-target.ts';
import { session } from './session-target.ts';
import type { Target } from './target.ts';
import { inquiry, upstream } from './upstream-targets.ts';

export const TARGETS: readonly Target[] = [client, sasl, header, upstream, inquiry, session];
