// The script that runs as the first process of a trainer's container. The image is the user's, so the script is POSIX
// sh and uses builtins only. It connects the program's standard streams to the FIFOs of the seam, restarts the
// program when the network half asks for it, forwards SIGTERM, and turns the program's end into the pod's exit code.
// It waits and does not poll: it reads the processor time of the container's processes only when the network half
// asks for it. Pure.
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { POD_FOLDERS, SEAM_FILES } from '#protocol/seam-files.ts'

const { input, output, control, processes, exit } = SEAM_FILES

/**
 * The text for `sh -c TEXT sh PROGRAM ARGUMENT…`. Exit codes: 143 after SIGTERM; the program's own where it is not zero; else the
 * digits in the file `exit`, or Retriable without it.
 */
export function trainerScript(seam: string = POD_FOLDERS.seam): string {
  return `
# While the ids of both children are unknown, a signal to stop is only recorded.
trap 'stopping=yes' TERM INT
seam='${seam}' program= reader= stopping=
[ -p "$seam/${control}" ] || exit ${POD_EXITS.Retriable.code}
# Open for the life of this shell: no line is lost between two programs, and no open blocks for want of a writer.
exec 3<>"$seam/${control}"
# As process 1 of a container it kills every other one. Elsewhere it kills only its own children.
end_all() {
  if [ $$ -eq 1 ]; then kill -KILL -1; else kill -KILL "$program" "$reader" $!; fi 2>/dev/null
}
# A signal is lost if it reaches the child before its exec. The child reports its start in a file; wait for that.
until_started() {
  tries=0
  until [ -s "$seam/started" ] || [ $tries -ge 500 ]; do : & wait $!; tries=$((tries + 1)); done
}
stop() {
  trap '' TERM INT USR1
  until_started
  { kill -TERM "$program"; wait "$program"; } 2>/dev/null
  end_all
  exit ${POD_EXITS.AskedToStop.code}
}
# The name of a process may contain spaces, brackets and line feeds, so it is cut off.
measure() {
  read -r reader rest </proc/self/stat || return
  echo "answer $1 of $$ without $reader"
  for each in /proc/[0-9]*/stat; do
    text=
    { while IFS= read -r line; do text="$text $line"; done <"$each"; } || continue
    number=\${each#/proc/}
    [ -z "$text" ] || echo "\${number%/stat} \${text##*) }"
  done
  echo end
} 2>/dev/null >"$seam/${processes}"
trap 'again=yes; end_all' USR1
while :; do
  trap 'stopping=yes' TERM INT
  again=
  : >"$seam/started"
  { echo yes >"$seam/started"; exec "$@" <"$seam/${input}" >"$seam/${output}" 3<&-; } &
  program=$!
  while IFS= read -r line; do
    case $line in
      again) kill -USR1 $$; break ;;
      "measure "*) [ -p "$seam/${processes}" ] || measure "\${line#measure }" ;;
    esac
  done <&3 &
  reader=$!
  trap stop TERM INT
  [ -z "$stopping" ] || stop
  wait "$program"
  code=$?
  if [ -z "$again" ]; then break; fi
  wait "$program" "$reader" 2>/dev/null
done
end_all
if [ "$code" -eq 0 ]; then
  if [ -f "$seam/${exit}" ]; then read -r code <"$seam/${exit}"; else code=; fi
  case $code in '' | *[!0-9]*) code=${POD_EXITS.Retriable.code} ;; esac
fi
exit "$code"`.trimStart()
}
