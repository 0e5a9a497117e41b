// `fedsam flower`: prints the job of a Flower app. `fedsam run FOLDER` runs the same job.
import { APP_OPTIONS, appOptions, appYaml } from '../flower/load.ts'
import { print } from '../render/screen.ts'
import { type RunCommand, readArguments } from './command.ts'

/** The command's body. */
export const flower: RunCommand = async (args) => {
  const { values, positionals } = readArguments(args, APP_OPTIONS, ['FOLDER'])
  print((await appYaml(positionals[0]!, appOptions(values), process.env)).trimEnd())
  return 0
}
