// Node's HTTP modules, loaded when a program first uses them. Guarantees: a program that sends no request pays for none. An import
// statement of node:http would load undici too, because it reads every export: 40 ms of processor time at each start, and node:https 25 ms.
// Import their types as usual.

export const http = () => process.getBuiltinModule('node:http')
export const https = () => process.getBuiltinModule('node:https')
