// What runs as the first process of a trainer's container: a POSIX shell script of builtins alone, since the image is the user's and
// need hold nothing but sh. It joins the program's standard streams to the seam's FIFOs, starts it anew when the network half says
// so, passes SIGTERM on, and turns the program's end into the pod's exit code. It waits and never polls: it looks at the processor time
// of the container's processes when the network half asks for it.
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { POD_FOLDERS, SEAM_FILES } from '#protocol/seam-files.ts'

const { input, output, control, processes, exit } = SEAM_FILES

/**
 * The text for `sh -c TEXT sh PROGRAM ARGUMENT…`. Exit codes: 143 after SIGTERM; the program's own where it is not zero; else the
 * digits in the file `exit`, or Retriable without it.
 */
export function trainerScript(seam: string = POD_FOLDERS.seam): string {
  return `
# Until both children can be named, a wish to stop is only noted.
trap 'stopping=yes' TERM INT
seam='${seam}' program= reader= stopping=
[ -p "$seam/${control}" ] || exit ${POD_EXITS.Retriable.code}
# Open for the life of this shell: no line is lost between two programs, and no open waits for a writer.
exec 3<>"$seam/${control}"
# The first process of a container ends all that the program started; elsewhere only the program is ours to end.
end_all() {
  if [ $$ -eq 1 ]; then kill -KILL -1; else kill -KILL "$program" "$reader" $!; fi 2>/dev/null
}
# A signal that reaches a child of the shell before it is itself is lost: a moment later it says that it is there.
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
# The name of a process may hold spaces, brackets and line feeds: it is left out.
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
