// The gate's metrics: how many connections it admitted, and refused for which reason. No label holds a name, so the number of time
// series is bounded.
import { Counter, collectDefaultMetrics, Registry } from 'prom-client'
import { REFUSALS, type Refusal } from './authenticators/authenticator.ts'

export interface Metrics {
  count(result: Refusal | 'Admitted'): void
  /** All metrics in Prometheus' text format, whose content type is `type`. */
  text(): Promise<string>
  readonly type: string
}

export function openMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const admitted = new Counter({
    name: 'fedsam_gate_admitted_total',
    help: 'Connections that the gate admitted',
    registers,
  })
  const refused = new Counter({
    name: 'fedsam_gate_refused_total',
    help: 'Connections that the gate refused, by reason',
    labelNames: ['reason'],
    registers,
  })
  // A counter that starts at 0 shows its first increase; one that appears with 1 does not.
  for (const reason of Object.keys(REFUSALS)) refused.inc({ reason }, 0)
  return {
    count: (result) => (result === 'Admitted' ? admitted.inc() : refused.inc({ reason: result })),
    text: () => registry.metrics(),
    type: registry.contentType,
  }
}
