// Images of one static program each: the container that holds a pod's namespaces, and the two servers of the chart's quickstart.
// Nothing is in them but the program; they run as uid 65532.
import { execFile } from 'node:child_process'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { binaryVersion, ensureBinary } from '#cli/run/servers/binaries.ts'

export type StaticImage = 'pause' | 'nats-server' | 'versitygw'

export interface StaticRecipe {
  readonly version: string
  /** The Containerfile. */
  readonly lines: string
  /** Puts the program into the folder. */
  make(folder: string, log: (line: string) => void): Promise<void>
}

/** Sleeps until it is asked to end, and reaps what is orphaned in a shared process namespace. */
const PAUSE = `#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
`

export const STATIC_IMAGES: Readonly<Record<StaticImage, StaticRecipe>> = {
  pause: { version: '1', lines: containing('pause', '/pause'), make: makePause },
  // These lie where the public images of the same servers have them: the chart's values fit both.
  'nats-server': server('nats-server', '/nats-server'),
  versitygw: server('versitygw', '/usr/local/bin/versitygw'),
}

async function makePause(folder: string): Promise<void> {
  await writeFile(join(folder, 'pause.c'), PAUSE)
  await promisify(execFile)('gcc', ['-static', '-Os', '-s', '-o', 'pause', 'pause.c'], { cwd: folder })
}

function server(name: 'nats-server' | 'versitygw', path: string): StaticRecipe {
  return {
    version: binaryVersion(name),
    lines: containing(name, path),
    make: async (folder, log) => copyFile(await ensureBinary(name, { log }), join(folder, name)),
  }
}

function containing(program: string, path: string): string {
  return `FROM scratch\nCOPY ${program} ${path}\nUSER 65532:65532\nENTRYPOINT ["${path}"]\n`
}
