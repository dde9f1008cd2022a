/** A reporter for Node's test runner: the file of each test that ended, line by line. Its JUnit report has no such. */
type TestEvent = { type: string; data: { file?: string; entryFile?: string } };

export default async function* files(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    // A test may be defined elsewhere: what is asked for is the file that was run.
    if (type === 'test:pass' || type === 'test:fail') yield `${data.entryFile ?? data.file}\n`;
  }
}
