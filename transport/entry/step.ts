// What a step on the way to an entry returns where it fails: which kind of fault, and what to tell whom.

export type StepFault =
  | 'NameUnknown'
  | 'NoConnection'
  | 'ProxyUnreachable'
  | 'ProxyCredentials' // the proxy asks for a name and a password that it knows
  | 'ProxySchemeUnsupported' // the proxy asks for NTLM, Kerberos or another scheme than Basic
  | 'ProxyRefuses'
  | 'CertificateUntrusted' // perhaps a device on the way opens TLS
  | 'TlsFailed'
  | 'NoAnswer'
  | 'NoWebSocket'
  | 'MethodRefused' // somebody before the store takes no PUT or no GET
  | 'BodyRefused' // somebody before the store takes no body of this size
  | 'Redirected'
  | 'NotTheStore' // an answer, and no S3 server wrote it

/** A step that failed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
  readonly fault: StepFault
  readonly remedy: string

  constructor(fault: StepFault, message: string, remedy: string) {
    super(message)
    this.fault = fault
    this.remedy = remedy
  }
}

/** A host and its port. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** "host:port" */
export function textOf({ host, port }: Place): string {
  return `${host}:${port}`
}
