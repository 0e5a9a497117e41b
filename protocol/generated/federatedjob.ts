// Generated from crds/fedsam.dev_federatedjobs.yaml by npm run generate. Do not edit.
/** What the job should do. While it runs, you can change partitions, suspend, round and ttlSecondsAfterFinished, and raise rounds. */
export interface FederatedJobSpec {
  /** The number of the last round. You can raise it while the job runs. E.g. 100. Default 10. */
  readonly rounds?: number
  /** Everything random derives from this number, so that a run can be repeated. E.g. 1337. Default 0. */
  readonly seed?: number
  /** true stops all pods once the record is safe. false resumes at the round that was open. No deadline runs in between. Default false. */
  readonly suspend?: boolean
  /** The controller that acts on this job instead of the FedSAM operator, as a domain-prefixed path; empty is the FedSAM operator. E.g. kueue.x-k8s.io/multikueue. Default "". */
  readonly managedBy?: string
  /** How clients are chosen and how their updates become one model. Names and defaults are Flower's. */
  readonly strategy?: StrategySpec
  /** When a round begins, counts and ends. You can change it while the job runs; the next attempt uses it. */
  readonly round?: RoundSpec
  /** The program that trains in each partition. */
  readonly trainer?: TrainerSpec
  /** The parts of the data, each with a client of its own. You can add, remove and change partitions while the job runs: the next plan counts them, and a changed one gets a new worker. E.g. [{name: site-a}, {name: site-b}]. */
  readonly partitions: readonly PartitionSpec[]
  /** The pods that train; each field can be overridden per partition. */
  readonly workers?: WorkersSpec
  /** The pod that runs the rounds. */
  readonly coordinator?: CoordinatorSpec
  /** Where the record of the run is. Local runs use their output folder and may leave it out. */
  readonly storage?: StorageSpec
  /** How coordinator and workers exchange messages. Local runs need no server and may leave it out. */
  readonly messaging?: MessagingSpec
  /** true allows connections without TLS to the store, to NATS, and to the sources of the checkpoint and of the data: anybody on the network can then read models and updates. The condition Insecure shows such connections. Default false. */
  readonly allowInsecure?: boolean
  /** The model that the first round starts from. */
  readonly model?: ModelSpec
  /** What the evaluations of each round decide; absent, the run only records them. */
  readonly evaluation?: EvaluationSpec
  /** What the run keeps, and what it writes at its end. */
  readonly output?: OutputSpec
  /** Seconds within which the first round must begin. The time that the job waits for a fault counts too. The clock stops while the job is suspended or a queue holds one of its Jobs, and restarts at 0 afterwards. Local runs ignore it and print a notice. E.g. 600. Default 3600. */
  readonly startDeadlineSeconds?: number
  /** Seconds that the run may be active without a break; absent or null, without limit. As with a Kubernetes Job, the clock stops while the job is suspended or a queue holds its coordinator, and restarts at 0 afterwards. Local runs ignore it and print a notice. E.g. 86400. */
  readonly activeDeadlineSeconds?: number | null
  /** Seconds after its end at which the operator deletes the job, 0 for at once; absent or null, never. The record stays. E.g. 604800. */
  readonly ttlSecondsAfterFinished?: number | null
  /** A round of another run to continue from, or to fork; absent or null, the job starts from its own initial parameters. The run copies that round's model and begins with the round after it; rounds is the number of the last round. With the same strategy.type it also copies the server optimizer's state; with another type that state begins at 0. The best round and stopWhen count from that round on. The run verifies the other record first, and never changes it. */
  readonly resumeFrom?: ResumeFromSpec | null
}

/** FederatedJobSpec with its defaults. */
export interface CompleteFederatedJobSpec {
  readonly rounds: number
  readonly seed: number
  readonly suspend: boolean
  readonly managedBy: string
  readonly strategy: CompleteStrategySpec
  readonly round: CompleteRoundSpec
  readonly trainer: CompleteTrainerSpec
  readonly partitions: readonly CompletePartitionSpec[]
  readonly workers: CompleteWorkersSpec
  readonly coordinator: CompleteCoordinatorSpec
  readonly storage?: CompleteStorageSpec
  readonly messaging?: CompleteMessagingSpec
  readonly allowInsecure: boolean
  readonly model: CompleteModelSpec
  readonly evaluation?: CompleteEvaluationSpec
  readonly output: CompleteOutputSpec
  readonly startDeadlineSeconds: number
  readonly activeDeadlineSeconds?: number | null
  readonly ttlSecondsAfterFinished?: number | null
  readonly resumeFrom?: CompleteResumeFromSpec | null
}

/** How clients are chosen and how their updates become one model. Names and defaults are Flower's. */
export interface StrategySpec {
  /** The strategy. FedAvg takes the mean weighted by num_examples; FedAvgM, FedAdam, FedYogi and FedAdagrad run a server optimizer on it; FedMedian and FedTrimmedAvg resist outliers, unweighted; Krum and MultiKrum keep the updates whose neighbours are nearest. Program runs a program of your own, which sends messages to clients in place of rounds (docs/strategy-seam.md); only fedsam run has it in this version. Default FedAvg. */
  readonly type?: 'FedAvg' | 'FedAvgM' | 'FedAdam' | 'FedYogi' | 'FedAdagrad' | 'FedMedian' | 'FedTrimmedAvg' | 'Krum' | 'MultiKrum' | 'Program'
  /** Any program that speaks the strategy seam (docs/strategy-seam.md). */
  readonly program?: ProgramSpec
  /** The least number of clients that a round asks to train (Flower's min_fit_clients). E.g. 3. Default 2. */
  readonly minFitClients?: number
  /** The least number of clients that must be available before a round begins (Flower's min_available_clients), among the partitions that train. Where minFitClients is larger, it counts instead. E.g. 3. Default 2. */
  readonly minAvailableClients?: number
  /** The share, 0 to 1, of the available clients that a round asks to train; the cohort has max(floor(available x fractionFit), minFitClients) clients. E.g. 0.1. Default 1. */
  readonly fractionFit?: number
  /** The share, 0 to 1, of the available clients (not of the cohort) that evaluate each model. E.g. 0.5. Default 1. */
  readonly fractionEvaluate?: number
  /** Bounds the L2 norm of each update: of its difference to the model that it starts from. A longer update is scaled down to the bound before the strategy combines the updates (Flower's clipping_norm). Set exactly one field. Absent, no update is clipped. */
  readonly clipNorm?: ClipNormSpec
  /** Where the bytes of the state that a client keeps from round to round stay. Record: in the run's record, so that the state survives every crash and the loss of the client's machine; only that client may read it. Local: at the client alone; a client that lost them starts afresh, and its outcome says StateLost. E.g. Local. Absent, Record. A client whose trainer leaves no state has none. */
  readonly clientState?: 'Record' | 'Local'
  /** The most bytes of one client's state. Work that leaves a larger one does not count. E.g. 1000000000. Absent, 134217728 (128 MiB). */
  readonly clientStateBytes?: number
  /** Parameters of FedAvgM; absent, all have their defaults. */
  readonly fedAvgM?: FedAvgMSpec
  /** Parameters of FedAdam; absent, all have their defaults. */
  readonly fedAdam?: FedAdamSpec
  /** Parameters of FedYogi; absent, all have their defaults. */
  readonly fedYogi?: FedYogiSpec
  /** Parameters of FedAdagrad; absent, all have their defaults. */
  readonly fedAdagrad?: FedAdagradSpec
  /** Parameters of FedTrimmedAvg; absent, all have their defaults. */
  readonly fedTrimmedAvg?: FedTrimmedAvgSpec
  /** Parameters of Krum; absent, all have their defaults. */
  readonly krum?: {
    /** The number f of updates that may be hostile. A round then needs at least 2f + 3 updates. E.g. 2. Default 0. */
    readonly numMaliciousNodes?: number
  }
  /** Parameters of MultiKrum; absent, all have their defaults. */
  readonly multiKrum?: {
    /** The number f of updates that may be hostile. A round then needs at least 2f + 3 updates. E.g. 2. Default 0. */
    readonly numMaliciousNodes?: number
    /** The number of updates that are kept, and averaged with the weight num_examples. E.g. 3. Default 1. */
    readonly numNodesToSelect?: number
  }
}

/** StrategySpec with its defaults. */
export interface CompleteStrategySpec {
  readonly type: 'FedAvg' | 'FedAvgM' | 'FedAdam' | 'FedYogi' | 'FedAdagrad' | 'FedMedian' | 'FedTrimmedAvg' | 'Krum' | 'MultiKrum' | 'Program'
  readonly program?: CompleteProgramSpec
  readonly minFitClients: number
  readonly minAvailableClients: number
  readonly fractionFit: number
  readonly fractionEvaluate: number
  readonly clipNorm?: CompleteClipNormSpec
  readonly clientState?: 'Record' | 'Local'
  readonly clientStateBytes?: number
  readonly fedAvgM?: CompleteFedAvgMSpec
  readonly fedAdam?: CompleteFedAdamSpec
  readonly fedYogi?: CompleteFedYogiSpec
  readonly fedAdagrad?: CompleteFedAdagradSpec
  readonly fedTrimmedAvg?: CompleteFedTrimmedAvgSpec
  readonly krum?: {
    readonly numMaliciousNodes: number
  }
  readonly multiKrum?: {
    readonly numMaliciousNodes: number
    readonly numNodesToSelect: number
  }
}

/** Bounds the L2 norm of each update: of its difference to the model that it starts from. A longer update is scaled down to the bound before the strategy combines the updates (Flower's clipping_norm). Set exactly one field. Absent, no update is clipped. */
export interface ClipNormSpec {
  /** The bound itself, no unit. The coordinator's decisions name the norm of every update. E.g. 10. */
  readonly norm?: number
  /** The bound as a multiple of the median norm of the updates that the last five rounds accepted; in a round without such updates, of those of this round. E.g. 3. */
  readonly medianMultiple?: number
}

/** ClipNormSpec with its defaults. */
export interface CompleteClipNormSpec {
  readonly norm?: number
  readonly medianMultiple?: number
}

/** Parameters of FedAvgM; absent, all have their defaults. */
export interface FedAvgMSpec {
  /** Step size of the server, no unit. E.g. 0.5. Default 1. */
  readonly serverLearningRate?: number
  /** Momentum of the server, 0 to below 1. E.g. 0.9. Default 0. */
  readonly serverMomentum?: number
}

/** FedAvgMSpec with its defaults. */
export interface CompleteFedAvgMSpec {
  readonly serverLearningRate: number
  readonly serverMomentum: number
}

/** Parameters of FedAdam; absent, all have their defaults. */
export interface FedAdamSpec {
  /** Step size of the server, no unit. E.g. 0.03. Default 0.1. */
  readonly eta?: number
  /** Decay of the first moment, 0 to below 1. E.g. 0.8. Default 0.9. */
  readonly beta1?: number
  /** Decay of the second moment, 0 to below 1. E.g. 0.999. Default 0.99. */
  readonly beta2?: number
  /** Degree of adaptivity, added to the root of the second moment. E.g. 1e-8. Default 0.001. */
  readonly tau?: number
}

/** FedAdamSpec with its defaults. */
export interface CompleteFedAdamSpec {
  readonly eta: number
  readonly beta1: number
  readonly beta2: number
  readonly tau: number
}

/** Parameters of FedYogi; absent, all have their defaults. */
export interface FedYogiSpec {
  /** Step size of the server, no unit. E.g. 0.03. Default 0.01. */
  readonly eta?: number
  /** Decay of the first moment, 0 to below 1. E.g. 0.8. Default 0.9. */
  readonly beta1?: number
  /** Decay of the second moment, 0 to below 1. E.g. 0.999. Default 0.99. */
  readonly beta2?: number
  /** Degree of adaptivity, added to the root of the second moment. E.g. 1e-8. Default 0.001. */
  readonly tau?: number
}

/** FedYogiSpec with its defaults. */
export interface CompleteFedYogiSpec {
  readonly eta: number
  readonly beta1: number
  readonly beta2: number
  readonly tau: number
}

/** Parameters of FedAdagrad; absent, all have their defaults. */
export interface FedAdagradSpec {
  /** Step size of the server, no unit. E.g. 0.03. Default 0.1. */
  readonly eta?: number
  /** Degree of adaptivity, added to the root of the second moment. E.g. 1e-8. Default 0.001. */
  readonly tau?: number
}

/** FedAdagradSpec with its defaults. */
export interface CompleteFedAdagradSpec {
  readonly eta: number
  readonly tau: number
}

/** Parameters of FedTrimmedAvg; absent, all have their defaults. */
export interface FedTrimmedAvgSpec {
  /** The share of the updates, 0 to below 0.5, cut from each end of every coordinate. E.g. 0.1. Default 0.2. */
  readonly beta?: number
}

/** FedTrimmedAvgSpec with its defaults. */
export interface CompleteFedTrimmedAvgSpec {
  readonly beta: number
}

/** Any program that speaks the strategy seam (docs/strategy-seam.md). */
export interface ProgramSpec {
  /** The program and its first arguments. A word that begins with ./ or ../ counts from the folder of the job file. E.g. [python, ./strategy.py]. Default []. */
  readonly command?: readonly string[]
  /** Further arguments, in the same way. E.g. [--verbose]. Default []. */
  readonly args?: readonly string[]
  /** Environment variables of the program. The record names them without their values. E.g. [{name: OMP_NUM_THREADS, value: "4"}]. Default []. */
  readonly env?: readonly ({
    /** Its name. E.g. OMP_NUM_THREADS. */
    readonly name: string
    /** Its value. E.g. "4". Default "". */
    readonly value?: string
  })[]
  /** How often a program that a signal ended is started again without a new exchange; then the run fails. A program that ends itself with an error is never started again. E.g. 0. Default 3. */
  readonly restarts?: number
}

/** ProgramSpec with its defaults. */
export interface CompleteProgramSpec {
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly env: readonly ({
    readonly name: string
    readonly value: string
  })[]
  readonly restarts: number
}

/** When a round begins, counts and ends. You can change it while the job runs; the next attempt uses it. */
export interface RoundSpec {
  /** Seconds after which a round ends with the updates that it has. E.g. 600. Default 3600. */
  readonly deadlineSeconds?: number
  /** The number of accepted updates that a round needs to count, never above the cohort; absent, strategy.minFitClients. E.g. 4. */
  readonly quorum?: number
  /** Seconds that a round stays open after its quorum; absent or null, it waits for the whole cohort until the deadline, as Flower does. Closing early biases the model against the partitions with the most data. E.g. 60. */
  readonly graceSeconds?: number | null
  /** Seconds to wait for strategy.minAvailableClients before an attempt is abandoned. E.g. 300. Default 1800. */
  readonly availabilitySeconds?: number
  /** Seconds to wait, once enough clients are available, for the other partitions, also for those that only evaluate. So the order of start-up chooses neither the cohort nor the best model. E.g. 10. Default 60. */
  readonly settleSeconds?: number
  /** A trainer that writes nothing and uses no processor for this number of seconds has failed. E.g. 120. Default 600. */
  readonly noProgressSeconds?: number
  /** The most examples that one client counts with, in the mean of the updates and in the mean of the evaluations. A client that reports more is accepted and counts with this number. Absent, every client counts with the number that it reports. E.g. 2000. */
  readonly maxExamples?: number
  /** Abandoned attempts in a row after which the run fails. E.g. 10. Default 3. */
  readonly maxFailedRounds?: number
}

/** RoundSpec with its defaults. */
export interface CompleteRoundSpec {
  readonly deadlineSeconds: number
  readonly quorum: number
  readonly graceSeconds?: number | null
  readonly availabilitySeconds: number
  readonly settleSeconds: number
  readonly noProgressSeconds: number
  readonly maxExamples?: number
  readonly maxFailedRounds: number
}

/** The program that trains in each partition. */
export interface TrainerSpec {
  /** SegmentAnything fine-tunes SAM, Command runs any program that speaks the trainer seam. Default SegmentAnything. */
  readonly type?: 'SegmentAnything' | 'Command'
  /** The config of fit(config) and evaluate(config) of a Command trainer. FedSAM adds server_round and seed. Every value is text in quotes; fedsam_client converts numbers, true and false. E.g. {local_epochs: "2"}. Default {}. */
  readonly config?: Readonly<Record<string, string>>
  /** Parameters of the SegmentAnything trainer; absent, all have their defaults. */
  readonly segmentAnything?: SegmentAnythingSpec
  /** Any program that speaks the trainer seam (docs/trainer-seam.md), in its own image. */
  readonly command?: CommandSpec
}

/** TrainerSpec with its defaults. */
export interface CompleteTrainerSpec {
  readonly type: 'SegmentAnything' | 'Command'
  readonly config: Readonly<Record<string, string>>
  readonly segmentAnything?: CompleteSegmentAnythingSpec
  readonly command?: CompleteCommandSpec
}

/** Parameters of the SegmentAnything trainer; absent, all have their defaults. */
export interface SegmentAnythingSpec {
  /** The pretrained model in Hugging Face's layout. */
  readonly checkpoint?: CheckpointSpec
  /** The parts of SAM that train and travel; every other part stays as in the checkpoint. LoRA is reserved and refused. E.g. [MaskDecoder, PromptEncoder]. Default [MaskDecoder]. */
  readonly train?: readonly ('MaskDecoder' | 'PromptEncoder' | 'VisionEncoder' | 'LoRA')[]
  /** Local epochs per round. E.g. 2. Default 1. */
  readonly epochs?: number
  /** Examples per local step. E.g. 4. Default 2. */
  readonly batchSize?: number
  /** Step size of the local optimizer, no unit. E.g. 1e-4. Default 0.00001. */
  readonly learningRate?: number
  /** The local optimizer. E.g. SGD. Default Adam. */
  readonly optimizer?: 'Adam' | 'AdamW' | 'SGD'
  /** Whether the local optimizer keeps its moments and its number of steps from round to round, as the client's state (strategy.clientState). For Adam and AdamW that is twice the bytes of an update, up and at most once down. false: every round begins with a new optimizer. E.g. true. Default false. */
  readonly keepOptimizerState?: boolean
  /** The loss that training minimises, made of Dice, cross-entropy (CE) and focal loss. E.g. DiceFocal. Default DiceCE. */
  readonly loss?: 'DiceCE' | 'Dice' | 'DiceFocal'
  /** The prompt that SAM gets for the object, derived from the true mask. E.g. Points. Default Box. */
  readonly prompts?: 'Box' | 'Points'
  /** The most pixels of the original image by which each side of a training box moves outwards, at random from the seed. E.g. 0. Default 20. */
  readonly boxJitterPixels?: number
  /** Whether each local epoch draws the examples in a new, seeded order. Default true. */
  readonly shuffle?: boolean
  /** The library that computes. Auto takes the first of TensorFlow, Wasm and CPU that works. WebGPU is reserved and refused. E.g. Wasm. Default Auto. */
  readonly backend?: 'Auto' | 'TensorFlow' | 'WebGPU' | 'Wasm' | 'CPU'
}

/** SegmentAnythingSpec with its defaults. */
export interface CompleteSegmentAnythingSpec {
  readonly checkpoint: CompleteCheckpointSpec
  readonly train: readonly ('MaskDecoder' | 'PromptEncoder' | 'VisionEncoder' | 'LoRA')[]
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
  readonly optimizer: 'Adam' | 'AdamW' | 'SGD'
  readonly keepOptimizerState: boolean
  readonly loss: 'DiceCE' | 'Dice' | 'DiceFocal'
  readonly prompts: 'Box' | 'Points'
  readonly boxJitterPixels: number
  readonly shuffle: boolean
  readonly backend: 'Auto' | 'TensorFlow' | 'WebGPU' | 'Wasm' | 'CPU'
}

/** The pretrained model in Hugging Face's layout. */
export interface CheckpointSpec {
  /** hf://owner/name@revision, s3://bucket/prefix, or a folder (in local runs relative to the job file). E.g. hf://facebook/sam-vit-huge@main. Default hf://facebook/sam-vit-base. */
  readonly uri?: string
  /** A Secret with the credentials, in the job's namespace; empty, no credentials, or those of the pod's own identity. E.g. site-a-credentials. Default "". */
  readonly credentialsSecretName?: string
}

/** CheckpointSpec with its defaults. */
export interface CompleteCheckpointSpec {
  readonly uri: string
  readonly credentialsSecretName: string
}

/** Any program that speaks the trainer seam (docs/trainer-seam.md), in its own image. */
export interface CommandSpec {
  /** The container image; empty, the worker's own. Local runs ignore it. E.g. registry.example/trainer:1.2. Default "". */
  readonly image?: string
  /** The program and its first arguments, as they are called in the image. The image's entry point does not run. E.g. [python, -m, trainer]. Default []. */
  readonly command?: readonly string[]
  /** Further arguments. E.g. [--verbose]. Default []. */
  readonly args?: readonly string[]
  /** Environment variables, as in a container. E.g. [{name: SITE, value: a}]. Default []. */
  readonly env?: readonly ({
    /** Its name. E.g. SITE. */
    readonly name: string
    /** Its value. E.g. a. Default "". */
    readonly value?: string
    /** Where the value comes from, as in a container (secretKeyRef, configMapKeyRef, fieldRef). Local runs take the variable that fedsam run --pass-env names, and refuse the job without it. */
    readonly valueFrom?: Readonly<Record<string, unknown>>
  })[]
}

/** CommandSpec with its defaults. */
export interface CompleteCommandSpec {
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly env: readonly ({
    readonly name: string
    readonly value: string
    readonly valueFrom?: Readonly<Record<string, unknown>>
  })[]
}

/** One part of the data, and the client that trains on it. */
export interface PartitionSpec {
  /** The client's name, a DNS label, unique in the job. E.g. site-a. */
  readonly name: string
  /** The images and annotations, and how they are split into training and evaluation. */
  readonly dataset?: DatasetSpec
  /** The volume or bucket that brings the data into the pod; absent, the image or the template has the data. Local runs ignore it, print a notice, and read dataset.root. */
  readonly source?: SourceSpec
  /** false for a partition that only evaluates, such as a public test set or a left-out site. It evaluates all of its images unless heldOutFraction is set, and does not count for minFitClients. Default true. */
  readonly train?: boolean
  /** The client is a site: it runs outside of the cluster, and the operator creates no pod for it. Needs storage.s3.publicEndpoint and messaging.nats.publicUrl. The site names its data itself; dataset is for local runs, which train this partition like every other. Absent or null, the operator runs the client. */
  readonly external?: {
    /** The site's public key, an Ed25519 key as 64 lower-case hexadecimal digits. Only requests and updates that this key signed count. Two partitions of a job cannot have the same key. If it changes while the job runs, the client with the old key is removed. E.g. d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a. */
    readonly publicKey: string
  } | null
  /** The service account of the client: its identity, also for cloud identities; empty, the operator creates one. E.g. site-a-reader. Default "". */
  readonly serviceAccountName?: string
  /** The pod's security context, for volumes of another owner. A user or group that it does not name is 65532. podTemplates of the chart decides what it may hold. E.g. {runAsUser: 1000, fsGroup: 1000}. Default {}. */
  readonly securityContext?: Readonly<Record<string, unknown>>
  /** Labels of the nodes that may run the pod. E.g. {gpu: a100}. Default {}. */
  readonly nodeSelector?: Readonly<Record<string, string>>
  /** Taints that the pod tolerates, as in a pod. E.g. [{key: gpu, operator: Exists}]. Default []. */
  readonly tolerations?: readonly TolerationSpec[]
  /** The differences from spec.workers for this partition. Each field that is set replaces the same field there. */
  readonly workers?: PartitionWorkersSpec
}

/** PartitionSpec with its defaults. */
export interface CompletePartitionSpec {
  readonly name: string
  readonly dataset: CompleteDatasetSpec
  readonly source?: CompleteSourceSpec
  readonly train: boolean
  readonly external?: {
    readonly publicKey: string
  } | null
  readonly serviceAccountName: string
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly tolerations: readonly CompleteTolerationSpec[]
  readonly workers?: CompletePartitionWorkersSpec
}

/** The images and annotations, and how they are split into training and evaluation. */
export interface DatasetSpec {
  /** The folder that holds the data, in the pod; in local runs relative to the job file. E.g. data/site-a. Default /data. */
  readonly root?: string
  /** Folders pairs images and masks by their names without extension; COCO reads annotationsFile. docs/data.md has the rules of both. Default Folders. */
  readonly layout?: 'Folders' | 'COCO'
  /** The folder of the images, relative to root. E.g. scans. Default images. */
  readonly imageSubfolder?: string
  /** The folder of the masks, relative to root. E.g. labels. Default masks. */
  readonly annotationSubfolder?: string
  /** The JSON file of the layout COCO, relative to root. The file names in it are relative to imageSubfolder. E.g. annotations/instances.json. Default "". */
  readonly annotationsFile?: string
  /** The labels of the object. Layout Folders: mask values; empty, every value but 0. Layout COCO: category ids, which may begin at 0; empty, every category. E.g. [2]. Default []. */
  readonly labels?: readonly number[]
  /** A regular expression on file names. Files with the same text in its first group, such as those of one patient, always stay on the same side of the split. E.g. ^(patient[0-9]+)-. Default "". */
  readonly groupPattern?: string
  /** The share of the images, 0 to 0.9, that is kept for evaluation, in contiguous blocks of the sorted names or in whole groups. Where train is false, it may be up to 1, which evaluates every image. E.g. 0.1. Absent, 0.2, or 1 where train is false. */
  readonly heldOutFraction?: number
}

/** DatasetSpec with its defaults. */
export interface CompleteDatasetSpec {
  readonly root: string
  readonly layout: 'Folders' | 'COCO'
  readonly imageSubfolder: string
  readonly annotationSubfolder: string
  readonly annotationsFile: string
  readonly labels: readonly number[]
  readonly groupPattern: string
  readonly heldOutFraction: number
}

/** The volume or bucket that brings the data into the pod; absent, the image or the template has the data. Local runs ignore it, print a notice, and read dataset.root. */
export interface SourceSpec {
  /** A claim of the job's namespace, mounted read-only at dataset.root. */
  readonly persistentVolumeClaim?: {
    /** The claim's name. E.g. site-a. */
    readonly claimName: string
  }
  /** A prefix of a bucket that is copied into the cache and mounted at dataset.root. */
  readonly s3?: {
    /** The prefix. E.g. s3://hospital-a/brain. */
    readonly uri: string
    /** A Secret with the credentials, in the job's namespace; empty, no credentials, or those of the pod's own identity. E.g. site-a-credentials. Default "". */
    readonly credentialsSecretName?: string
  }
}

/** SourceSpec with its defaults. */
export interface CompleteSourceSpec {
  readonly persistentVolumeClaim?: {
    readonly claimName: string
  }
  readonly s3?: {
    readonly uri: string
    readonly credentialsSecretName: string
  }
}

/** The differences from spec.workers for this partition. Each field that is set replaces the same field there. */
export interface PartitionWorkersSpec {
  /** The device that each worker asks for; absent, no device, and the CPU computes. */
  readonly accelerator?: AcceleratorSpec
  /** Requests and limits of the worker's container. E.g. {requests: {cpu: 2, memory: 4Gi}}. */
  readonly resources?: ResourcesSpec
  /** The volume for the base checkpoint, copies of data sets and embeddings. */
  readonly cache?: CacheSpec
  /** A pod template (metadata, spec) that is merged last, by the API's list keys. null removes a field. It cannot change restartPolicy, fedsam.dev labels, accounts or tokens, and podTemplates of the chart decides what else it may hold. Absent, nothing is merged. */
  readonly template?: Readonly<Record<string, unknown>>
}

/** PartitionWorkersSpec with its defaults. */
export interface CompletePartitionWorkersSpec {
  readonly accelerator?: CompleteAcceleratorSpec
  readonly resources?: CompleteResourcesSpec
  readonly cache?: CompleteCacheSpec
  readonly template?: Readonly<Record<string, unknown>>
}

/** A tolerated taint. */
export interface TolerationSpec {
  /** The taint's key; empty, with operator Exists, every key. E.g. gpu. */
  readonly key?: string
  /** How the value is compared. E.g. Exists. Where it is absent, Kubernetes takes Equal. */
  readonly operator?: 'Equal' | 'Exists'
  /** The taint's value. E.g. a100. */
  readonly value?: string
  /** The taint's effect; absent, every effect. E.g. NoSchedule. */
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
  /** Seconds for which NoExecute is tolerated; absent, without end. E.g. 300. */
  readonly tolerationSeconds?: number
}

/** TolerationSpec with its defaults. */
export interface CompleteTolerationSpec {
  readonly key?: string
  readonly operator?: 'Equal' | 'Exists'
  readonly value?: string
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
  readonly tolerationSeconds?: number
}

/** The pods that train; each field can be overridden per partition. */
export interface WorkersSpec {
  /** The device that each worker asks for; absent, no device, and the CPU computes. */
  readonly accelerator?: AcceleratorSpec
  /** Requests and limits of the worker's container. E.g. {requests: {cpu: 2, memory: 4Gi}}. Default {}. */
  readonly resources?: ResourcesSpec
  /** The volume for the base checkpoint, copies of data sets and embeddings. */
  readonly cache?: CacheSpec
  /** A pod template (metadata, spec) that is merged last, by the API's list keys. null removes a field. It cannot change restartPolicy, fedsam.dev labels, accounts or tokens, and podTemplates of the chart decides what else it may hold. Absent, nothing is merged. */
  readonly template?: Readonly<Record<string, unknown>>
}

/** WorkersSpec with its defaults. */
export interface CompleteWorkersSpec {
  readonly accelerator?: CompleteAcceleratorSpec
  readonly resources: CompleteResourcesSpec
  readonly cache: CompleteCacheSpec
  readonly template?: Readonly<Record<string, unknown>>
}

/** The device that each worker asks for; absent, no device, and the CPU computes. */
export interface AcceleratorSpec {
  /** The extended resource's name. E.g. amd.com/gpu. Default nvidia.com/gpu. */
  readonly resource?: string
  /** Devices per worker. For a partition, 0 switches off the device of spec.workers. E.g. 2. Default 1. */
  readonly count?: number
  /** What the SegmentAnything trainer does if it has the device but cannot use it. A Command trainer decides by itself. E.g. UseCPU. Default Fail. */
  readonly whenUnseen?: 'Fail' | 'UseCPU'
}

/** AcceleratorSpec with its defaults. */
export interface CompleteAcceleratorSpec {
  readonly resource: string
  readonly count: number
  readonly whenUnseen: 'Fail' | 'UseCPU'
}

/** Requests and limits of the worker's container. E.g. {requests: {cpu: 2, memory: 4Gi}}. Default {}. */
export interface ResourcesSpec {
  /** Quantities by resource. E.g. {cpu: 500m, memory: 2Gi}. */
  readonly requests?: Readonly<Record<string, number | string>>
  /** Quantities by resource. E.g. {cpu: 500m, memory: 2Gi}. */
  readonly limits?: Readonly<Record<string, number | string>>
}

/** ResourcesSpec with its defaults. */
export interface CompleteResourcesSpec {
  readonly requests?: Readonly<Record<string, number | string>>
  readonly limits?: Readonly<Record<string, number | string>>
}

/** The volume for the base checkpoint, copies of data sets and embeddings. */
export interface CacheSpec {
  /** The most bytes that it may hold, a Kubernetes quantity; the trainer's /tmp and the folder of its output may each hold as many. E.g. 100Gi. Default 20Gi. */
  readonly sizeLimit?: number | string
  /** A claim that exists as long as the job, as in a StatefulSet (metadata, spec); absent or null, an emptyDir. */
  readonly volumeClaimTemplate?: Readonly<Record<string, unknown>> | null
}

/** CacheSpec with its defaults. */
export interface CompleteCacheSpec {
  readonly sizeLimit: number | string
  readonly volumeClaimTemplate?: Readonly<Record<string, unknown>> | null
}

/** The pod that runs the rounds. */
export interface CoordinatorSpec {
  /** Requests and limits of the coordinator's container. E.g. {requests: {cpu: 1, memory: 1Gi}}. Default {}. */
  readonly resources?: ResourcesSpec
  /** The bytes of memory that aggregation may use. The size of slices follows from it. E.g. 2147483648. Default 536870912. */
  readonly memoryBytes?: number
  /** Labels of the nodes that may run the pod. E.g. {gpu: a100}. Default {}. */
  readonly nodeSelector?: Readonly<Record<string, string>>
  /** Taints that the pod tolerates, as in a pod. E.g. [{key: gpu, operator: Exists}]. Default []. */
  readonly tolerations?: readonly TolerationSpec[]
  /** The coordinator's service account; empty, the operator creates one. E.g. federation-writer. Default "". */
  readonly serviceAccountName?: string
  /** A pod template (metadata, spec) that is merged last, by the API's list keys. null removes a field. It cannot change restartPolicy, fedsam.dev labels, accounts or tokens, and podTemplates of the chart decides what else it may hold. Absent, nothing is merged. */
  readonly template?: Readonly<Record<string, unknown>>
}

/** CoordinatorSpec with its defaults. */
export interface CompleteCoordinatorSpec {
  readonly resources: CompleteResourcesSpec
  readonly memoryBytes: number
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly tolerations: readonly CompleteTolerationSpec[]
  readonly serviceAccountName: string
  readonly template?: Readonly<Record<string, unknown>>
}

/** Where the record of the run is. Local runs use their output folder and may leave it out. */
export interface StorageSpec {
  /** A bucket of S3, or of a server that speaks S3 and supports If-None-Match. */
  readonly s3: S3Spec
}

/** StorageSpec with its defaults. */
export interface CompleteStorageSpec {
  readonly s3: CompleteS3Spec
}

/** A bucket of S3, or of a server that speaks S3 and supports If-None-Match. */
export interface S3Spec {
  /** The bucket's name. E.g. federations. Default fedsam. */
  readonly bucket?: string
  /** The beginning of all keys of this job, without a slash at either end. E.g. team-a. Default "". */
  readonly prefix?: string
  /** The store's URL; empty, Amazon's. http:// needs allowInsecure. E.g. https://minio.storage.svc:9000. Default "". */
  readonly endpoint?: string
  /** The store's region; empty, that of the environment. E.g. eu-central-1. Default "". */
  readonly region?: string
  /** The store's address for sites outside of the cluster: https:// with a host, and a port if it is not 443. The coordinator signs the transfers of sites for it and never connects to it; the server behind it must receive the Host header unchanged. Empty, no partition can be external. E.g. https://fed.example.org. Default "". */
  readonly publicEndpoint?: string
  /** Whether the bucket is in the path of a URL, not in the host name. Default true. */
  readonly forcePathStyle?: boolean
  /** A Secret with the credentials, in the job's namespace; empty, no credentials, or those of the pod's own identity. E.g. site-a-credentials. Default "". */
  readonly credentialsSecretName?: string
  /** A ConfigMap with ca.crt, the authority that signed the store's certificate; empty, the public authorities. E.g. store-ca. Default "". */
  readonly caBundleConfigMapName?: string
}

/** S3Spec with its defaults. */
export interface CompleteS3Spec {
  readonly bucket: string
  readonly prefix: string
  readonly endpoint: string
  readonly region: string
  readonly publicEndpoint: string
  readonly forcePathStyle: boolean
  readonly credentialsSecretName: string
  readonly caBundleConfigMapName: string
}

/** How coordinator and workers exchange messages. Local runs need no server and may leave it out. */
export interface MessagingSpec {
  /** A NATS server. */
  readonly nats: NatsSpec
}

/** MessagingSpec with its defaults. */
export interface CompleteMessagingSpec {
  readonly nats: CompleteNatsSpec
}

/** A NATS server. */
export interface NatsSpec {
  /** The server's URL, or several with commas between them. One tls:// demands TLS of all, and so does tlsSecretName; nats:// alone needs allowInsecure. E.g. tls://nats.messaging.svc:4222. Default tls://nats:4222. */
  readonly url?: string
  /** The address of the same servers over WebSocket, for sites outside of the cluster: wss:// with a host, and a port if it is not 443. Status names it for a site that is missing; no pod connects to it. Empty, no partition can be external. E.g. wss://fed.example.org/bus. Default "". */
  readonly publicUrl?: string
  /** A Secret with the credentials, in the job's namespace; empty, no credentials, or those of the pod's own identity. E.g. site-a-credentials. Default "". */
  readonly credentialsSecretName?: string
  /** A Secret with ca.crt, and tls.crt and tls.key for mutual TLS; empty, none. E.g. nats-client-tls. Default "". */
  readonly tlsSecretName?: string
}

/** NatsSpec with its defaults. */
export interface CompleteNatsSpec {
  readonly url: string
  readonly publicUrl: string
  readonly credentialsSecretName: string
  readonly tlsSecretName: string
}

/** The model that the first round starts from. */
export interface ModelSpec {
  /** A safetensors file (s3://bucket/key or a path, in local runs relative to the job file) used instead of the parameters of the checkpoint or of a client; empty, the run uses those. E.g. s3://models/start.safetensors. Default "". */
  readonly initialParameters?: string
}

/** ModelSpec with its defaults. */
export interface CompleteModelSpec {
  readonly initialParameters: string
}

/** What the evaluations of each round decide; absent, the run only records them. */
export interface EvaluationSpec {
  /** Which round's model is the best one, and goes into the output. */
  readonly bestBy?: BestBySpec
  /** When the run ends before its last round. */
  readonly stopWhen?: StopWhenSpec
}

/** EvaluationSpec with its defaults. */
export interface CompleteEvaluationSpec {
  readonly bestBy?: CompleteBestBySpec
  readonly stopWhen?: CompleteStopWhenSpec
}

/** Which round's model is the best one, and goes into the output. */
export interface BestBySpec {
  /** A metric that every client's evaluation reports, or loss. A round in which a client does not report it does not count. If no client reports it in the first evaluation, the run ends with a message. E.g. dice. */
  readonly metric: string
  /** Whether the largest or the smallest value is best. E.g. Min for a distance. Default: by the words of the metric's name, between dots, dashes and underscores, in any case, with or without digits at the end. Min where one of them is loss, cost, nll, bce, entropy, perplexity, error, err, mae, mse, rmse, mape, brier, ece, wer, cer, distance, hausdorff, hd, asd, assd. Otherwise Max where one of them is dice, iou, miou, jaccard, acc, accuracy, precision, recall, sensitivity, specificity, f1, auc, auroc, auprc, ap, map, r2, psnr, ssim, kappa, mcc, bleu, rouge, score. Any other metric must say it. */
  readonly mode?: 'Max' | 'Min'
}

/** BestBySpec with its defaults. */
export interface CompleteBestBySpec {
  readonly metric: string
  readonly mode: 'Max' | 'Min'
}

/** When the run ends before its last round. */
export interface StopWhenSpec {
  /** A metric that every client's evaluation reports, or loss. A round in which a client does not report it does not count. If no client reports it in the first evaluation, the run ends with a message. E.g. dice. */
  readonly metric: string
  /** Whether the largest or the smallest value is best. E.g. Min for a distance. Default: by the words of the metric's name, between dots, dashes and underscores, in any case, with or without digits at the end. Min where one of them is loss, cost, nll, bce, entropy, perplexity, error, err, mae, mse, rmse, mape, brier, ece, wer, cer, distance, hausdorff, hd, asd, assd. Otherwise Max where one of them is dice, iou, miou, jaccard, acc, accuracy, precision, recall, sensitivity, specificity, f1, auc, auroc, auprc, ap, map, r2, psnr, ssim, kappa, mcc, bleu, rouge, score. Any other metric must say it. */
  readonly mode?: 'Max' | 'Min'
  /** Rounds in a row without a better value after which the run ends; absent, no such end. E.g. 3. */
  readonly patience?: number
  /** The value at which the run ends; absent, no such end. E.g. 0.9. */
  readonly target?: number
}

/** StopWhenSpec with its defaults. */
export interface CompleteStopWhenSpec {
  readonly metric: string
  readonly mode: 'Max' | 'Min'
  readonly patience?: number
  readonly target?: number
}

/** What the run keeps, and what it writes at its end. */
export interface OutputSpec {
  /** true also writes the whole checkpoint that Hugging Face opens, into checkpoint/ of the output: the base with the trained tensors in place. false leaves that to fedsam export. Default false. */
  readonly fullCheckpoint?: boolean
  /** Which payloads are kept. All markers are kept, and so are the last, the previous and the best model. */
  readonly retention?: {
    /** The number of last rounds whose models and updates are kept. E.g. 10. Default 2. */
    readonly rounds?: number
  }
}

/** OutputSpec with its defaults. */
export interface CompleteOutputSpec {
  readonly fullCheckpoint: boolean
  readonly retention: {
    readonly rounds: number
  }
}

/** A round of another run to continue from, or to fork; absent or null, the job starts from its own initial parameters. The run copies that round's model and begins with the round after it; rounds is the number of the last round. With the same strategy.type it also copies the server optimizer's state; with another type that state begins at 0. The best round and stopWhen count from that round on. The run verifies the other record first, and never changes it. */
export interface ResumeFromSpec {
  /** The other run's record: s3://bucket/prefix, read with the endpoint and credentials of this job's storage; in local runs also a folder. kubectl fedsam status shows it. E.g. s3://fedsam/team-a/brain-tissue/6f3a. */
  readonly prefix: string
  /** The finished round whose model is the start. The other record must still have that model: output.retention.rounds of the other job says how many it keeps. E.g. 7. */
  readonly round: number
}

/** ResumeFromSpec with its defaults. */
export interface CompleteResumeFromSpec {
  readonly prefix: string
  readonly round: number
}

/** The state of the job. The coordinator writes training, the operator writes every other field. Default {"observedGeneration":-1}. */
export interface FederatedJobStatus {
  /** The generation of the spec that this status describes; -1 until the operator has seen the job. E.g. 3. */
  readonly observedGeneration?: number
  /** When the operator first acted on the job. E.g. 2026-11-24T08:00:00Z. */
  readonly startTime?: string
  /** When the job completed or failed. E.g. 2026-11-24T09:00:00Z. */
  readonly completionTime?: string
  /** Text for people, shown in columns; programs read conditions and training. */
  readonly summary?: StatusSummary
  /** The conditions of the job now, for programs and kubectl wait. */
  readonly conditions?: readonly StatusCondition[]
  /** The operator's statement that a key belongs to the coordinator. The coordinator sends it with each answer, so that workers know whom to believe. */
  readonly coordinatorCertificate?: StatusCertificate
  /** The coordinator's report on the run. The record in the store is the truth. */
  readonly training?: TrainingStatus
}

/** Text for people, shown in columns; programs read conditions and training. */
export interface StatusSummary {
  /** What the job does now. E.g. Training. */
  readonly state?: string
  /** The current round of all rounds. E.g. 7/10. */
  readonly round?: string
  /** Clients that take part of all partitions. E.g. 5/6. */
  readonly clients?: string
  /** A metric of the newest model: that of evaluation.bestBy, else of evaluation.stopWhen, else the first by name beside the loss. E.g. dice 0.912. */
  readonly metric?: string
  /** The loss of the newest model. E.g. 0.213. */
  readonly loss?: string
  /** Why the job is in this state. E.g. site-c is missing, pending on nvidia.com/gpu. */
  readonly message?: string
  /** Where the result is. E.g. s3://fedsam/team-a/brain-tissue/6f3a/output. */
  readonly output?: string
}

/** One condition. */
export interface StatusCondition {
  /** Its name. E.g. Ready. */
  readonly type: string
  /** Whether it holds. */
  readonly status: 'True' | 'False' | 'Unknown'
  /** Why, as one word for programs. E.g. QuorumLost. */
  readonly reason: string
  /** Why and what to do, for people. */
  readonly message: string
  /** The generation of the spec that it describes. E.g. 3. */
  readonly observedGeneration?: number
  /** When status last changed. E.g. 2026-11-24T08:00:00Z. */
  readonly lastTransitionTime: string
}

/** The operator's statement that a key belongs to the coordinator. The coordinator sends it with each answer, so that workers know whom to believe. */
export interface StatusCertificate {
  /** The uid of the FederatedJob. */
  readonly uid: string
  /** The namespace of the FederatedJob. E.g. team-a. */
  readonly namespace: string
  /** The name of the FederatedJob. E.g. brain-tissue. */
  readonly name: string
  /** The epoch of the coordinator that has the key. E.g. 2. */
  readonly epoch: number
  /** The coordinator's public key, an Ed25519 key as 64 hexadecimal digits. */
  readonly key: string
  /** The operator's Ed25519 signature over the other fields, as 128 hexadecimal digits. */
  readonly signature: string
}

/** The coordinator's report on the run. The record in the store is the truth. */
export interface TrainingStatus {
  /** The uid of the FederatedJob that the coordinator runs. */
  readonly uid: string
  /** The epoch of the coordinator that wrote this: the number of its start, counted from 1. E.g. 2. */
  readonly epoch: number
  /** The round that is open, or the last one; 0 before the first. E.g. 7. */
  readonly round: number
  /** The attempt at that round, counted from 1, 0 before the first. E.g. 1. */
  readonly attempt: number
  /** The key with which this coordinator signs its answers. The operator certifies it. */
  readonly key?: TrainingKey
  /** What the coordinator does now. */
  readonly state?: 'Starting' | 'Waiting' | 'Training' | 'QuorumLost' | 'Finishing' | 'Complete' | 'Failed'
  /** Why, as one word for programs. E.g. NotEnoughClients. */
  readonly reason?: string
  /** Why and what to do, for people. */
  readonly message?: string
  /** Until then no attempt begins, because too few clients were available. The operator suspends the workers, so that other pods can use their devices. E.g. 2026-11-24T08:00:00Z. */
  readonly pauseUntil?: string
  /** The digest of the newest result, the head of the hash chain. E.g. sha256:9f86d081…. */
  readonly head?: string
  /** When the coordinator wrote this. E.g. 2026-11-24T08:00:00Z. */
  readonly updatedTime?: string
  /** Who takes part. */
  readonly clients?: TrainingClients
  /** The newest rounds, at most ten; the store has all. */
  readonly rounds?: readonly TrainingRound[]
  /** Metrics by name, weighted means over the evaluations. E.g. {loss: 0.2, dice: 0.91}. */
  readonly metrics?: Readonly<Record<string, number>>
  /** The best round so far by spec.evaluation.bestBy. */
  readonly best?: {
    /** The round. E.g. 6. */
    readonly round: number
    /** The metric's name. E.g. dice. */
    readonly metric: string
    /** Its value. E.g. 0.912. */
    readonly value: number
  }
  /** The bytes that travelled so far. */
  readonly bytes?: {
    /** Bytes of updates that were read. E.g. 33554432. */
    readonly received?: number
    /** Bytes of models that were granted. E.g. 33554432. */
    readonly sent?: number
  }
  /** The result, once there is one. */
  readonly output?: {
    /** Where it is. E.g. s3://fedsam/team-a/brain-tissue/6f3a/output. */
    readonly uri?: string
    /** The round whose model it is. E.g. 9. */
    readonly round?: number
    /** The model's digest. E.g. sha256:9f86d081…. */
    readonly digest?: string
  }
}

/** The key with which this coordinator signs its answers. The operator certifies it. */
export interface TrainingKey {
  /** The epoch of the coordinator that made the key. E.g. 2. */
  readonly epoch: number
  /** The public half, an Ed25519 key as 64 hexadecimal digits. */
  readonly publicKey: string
}

/** Who takes part. */
export interface TrainingClients {
  /** Partitions of the job. E.g. 6. */
  readonly total?: number
  /** Clients that are available. E.g. 5. */
  readonly available?: number
  /** Clients that were asked to train in this attempt. E.g. 5. */
  readonly cohort?: number
  /** Updates accepted in this attempt. E.g. 3. */
  readonly accepted?: number
  /** Clients that do not take part as they should, and why. */
  readonly absent?: readonly ({
    /** The partition's name. E.g. site-c. */
    readonly name: string
    /** The outcome of the client. */
    readonly outcome: 'Rejected' | 'Late' | 'Failed' | 'Unreachable' | 'Refused' | 'Removed'
    /** Why, as one word for programs. E.g. NotFinite. */
    readonly reason?: string
    /** Why and what to do, for people. */
    readonly message?: string
  })[]
  /** Clients of the newest finished round whose update has a norm, or whose evaluation has a loss, above ten times the median of the round. A warning; the updates count. */
  readonly outliers?: readonly ({
    /** The partition's name. E.g. site-c. */
    readonly name: string
    /** Norm: of the update's difference to the model that it started from. Loss: the one that the client measured for that model. */
    readonly measure: 'Norm' | 'Loss'
    /** The round of the figure. E.g. 6. */
    readonly round?: number
    /** The client's figure. E.g. 812.5. */
    readonly value?: number
    /** The median over all clients of the round. E.g. 7.1. */
    readonly median?: number
  })[]
  /** Clients outside of the cluster that were connected at least once. */
  readonly sites?: readonly ({
    /** The partition's name. E.g. site-c. */
    readonly name: string
    /** The site's key. An entry with another key than the job names is about an earlier site. */
    readonly publicKey?: string
    /** Whether the site is connected. */
    readonly connected?: boolean
    /** When it connected; if it is not connected, when it was last heard. E.g. 2026-11-24T08:00:00Z. */
    readonly lastHeardTime?: string
    /** The version of the conversation that its agent speaks (docs/adr/0024-versions.md). E.g. 2. */
    readonly version?: number
  })[]
  /** Clients that should have evaluated the newest evaluated model and did not, and why. */
  readonly notEvaluated?: readonly ({
    /** The partition's name. E.g. site-c. */
    readonly name: string
    /** Nothing: the client holds nothing out. Failed: its evaluation failed; its update may still count. Any other value is the outcome of the client. */
    readonly outcome: 'Nothing' | 'Rejected' | 'Late' | 'Failed' | 'Unreachable' | 'Refused' | 'Removed'
    /** Why, as one word for programs. E.g. TrainerFailed. */
    readonly reason?: string
    /** Why and what to do, for people. */
    readonly message?: string
  })[]
}

/** One finished round. */
export interface TrainingRound {
  /** The round. E.g. 6. */
  readonly round: number
  /** The attempt that closed it. E.g. 1. */
  readonly attempt?: number
  /** Clients that were asked to train. E.g. 6. */
  readonly cohort?: number
  /** Updates that count. E.g. 5. */
  readonly accepted?: number
  /** The duration of the round in seconds. E.g. 41.5. */
  readonly seconds?: number
  /** Metrics by name, weighted means over the evaluations. E.g. {loss: 0.2, dice: 0.91}. */
  readonly metrics?: Readonly<Record<string, number>>
}
