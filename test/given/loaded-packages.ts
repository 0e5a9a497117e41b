// Preloaded with --import: at its end the process writes the packages that it loaded to the file that LOADED names, as a JSON list. Node's
// own undici counts as the package undici.
import { writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const loaded = new Set<string>()
registerHooks({
  load(url, context, next) {
    const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(url) ?? []
    if (name !== undefined) loaded.add(name)
    return next(url, context)
  },
})
process.on('exit', () => {
  // A child program inherits the options: only the program that the test starts knows the file.
  const file = process.env.LOADED
  const builtins = (process as { readonly moduleLoadList?: readonly string[] }).moduleLoadList ?? []
  if (builtins.some((name) => name.endsWith('deps/undici/undici'))) loaded.add('undici')
  if (file !== undefined) writeFileSync(file, JSON.stringify([...loaded].sort()))
})
