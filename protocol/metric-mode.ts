// Whether a large or a small value of a metric is the better one, by the words of its name. The rule of spec.evaluation in crds/
// refuses a metric that has none of these words and no mode; metric-mode.test.ts holds the two against each other.

export type MetricMode = 'Max' | 'Min'

/** Words of metrics whose smallest value is best. One of them decides before any other word: dice_loss is a loss. */
export const LESS_IS_BETTER: readonly string[] = [
  'loss',
  'cost',
  'nll',
  'bce',
  'entropy',
  'perplexity',
  'error',
  'err',
  'mae',
  'mse',
  'rmse',
  'mape',
  'brier',
  'ece',
  'wer',
  'cer',
  'distance',
  'hausdorff',
  'hd',
  'asd',
  'assd',
]

/** Words of metrics whose largest value is best. */
export const MORE_IS_BETTER: readonly string[] = [
  'dice',
  'iou',
  'miou',
  'jaccard',
  'acc',
  'accuracy',
  'precision',
  'recall',
  'sensitivity',
  'specificity',
  'f1',
  'auc',
  'auroc',
  'auprc',
  'ap',
  'map',
  'r2',
  'psnr',
  'ssim',
  'kappa',
  'mcc',
  'bleu',
  'rouge',
  'score',
]

/** The mode by name: words between dots, dashes and underscores, in any case, digits at their end ignored. undefined: unknown. */
export function modeByName(metric: string): MetricMode | undefined {
  const words = metric.toLowerCase().split(/[._-]/)
  const has = (known: readonly string[]): boolean =>
    words.some((word) => known.some((one) => word.startsWith(one) && /^[0-9]*$/.test(word.slice(one.length))))
  if (has(LESS_IS_BETTER)) return 'Min'
  return has(MORE_IS_BETTER) ? 'Max' : undefined
}

/** The object with its mode: what it says itself, or by the metric's name. Max where neither says it, which the schema refuses. */
export function withMode<T extends { readonly metric: string; readonly mode?: MetricMode }>(
  by: T,
): T & { readonly mode: MetricMode } {
  return { ...by, mode: by.mode ?? modeByName(by.metric) ?? 'Max' }
}
