// Names of the sub-objects of a FederatedJob in the generated types and the reference, in the order in which both list them.
// A path may stand for several places with one shape; the generator throws where their shapes differ.

/** Field path to type name; "[]" steps into a list. */
export const TYPE_NAMES: Readonly<Record<string, string>> = {
  spec: 'FederatedJobSpec',
  'spec.strategy': 'StrategySpec',
  'spec.strategy.clipNorm': 'ClipNormSpec',
  'spec.strategy.fedAvgM': 'FedAvgMSpec',
  'spec.strategy.fedAdam': 'FedAdamSpec',
  'spec.strategy.fedYogi': 'FedYogiSpec',
  'spec.strategy.fedAdagrad': 'FedAdagradSpec',
  'spec.strategy.fedTrimmedAvg': 'FedTrimmedAvgSpec',
  'spec.strategy.program': 'ProgramSpec',
  'spec.round': 'RoundSpec',
  'spec.trainer': 'TrainerSpec',
  'spec.trainer.segmentAnything': 'SegmentAnythingSpec',
  'spec.trainer.segmentAnything.checkpoint': 'CheckpointSpec',
  'spec.trainer.command': 'CommandSpec',
  'spec.partitions[]': 'PartitionSpec',
  'spec.partitions[].dataset': 'DatasetSpec',
  'spec.partitions[].source': 'SourceSpec',
  'spec.partitions[].workers': 'PartitionWorkersSpec',
  'spec.partitions[].tolerations[]': 'TolerationSpec',
  'spec.workers': 'WorkersSpec',
  'spec.workers.accelerator': 'AcceleratorSpec',
  'spec.workers.resources': 'ResourcesSpec',
  'spec.workers.cache': 'CacheSpec',
  'spec.coordinator': 'CoordinatorSpec',
  'spec.storage': 'StorageSpec',
  'spec.storage.s3': 'S3Spec',
  'spec.messaging': 'MessagingSpec',
  'spec.messaging.nats': 'NatsSpec',
  'spec.model': 'ModelSpec',
  'spec.evaluation': 'EvaluationSpec',
  'spec.evaluation.bestBy': 'BestBySpec',
  'spec.evaluation.stopWhen': 'StopWhenSpec',
  'spec.output': 'OutputSpec',
  'spec.resumeFrom': 'ResumeFromSpec',
  status: 'FederatedJobStatus',
  'status.summary': 'StatusSummary',
  'status.conditions[]': 'StatusCondition',
  'status.coordinatorCertificate': 'StatusCertificate',
  'status.training': 'TrainingStatus',
  'status.training.key': 'TrainingKey',
  'status.training.clients': 'TrainingClients',
  'status.training.rounds[]': 'TrainingRound',
}

/** Places that have the shape of another place. */
export const SAME_AS: Readonly<Record<string, string>> = {
  'spec.partitions[].workers.accelerator': 'spec.workers.accelerator',
  'spec.partitions[].workers.resources': 'spec.workers.resources',
  'spec.partitions[].workers.cache': 'spec.workers.cache',
  'spec.coordinator.resources': 'spec.workers.resources',
  'spec.coordinator.tolerations[]': 'spec.partitions[].tolerations[]',
}

/** Fields without a default in the schema that protocol/defaults.ts completes all the same. */
export const COMPLETED: ReadonlySet<string> = new Set([
  'spec.round.quorum',
  'spec.evaluation.bestBy.mode',
  'spec.evaluation.stopWhen.mode',
  'spec.partitions[].dataset.heldOutFraction',
])
