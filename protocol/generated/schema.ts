// Generated from crds/fedsam.dev_federatedjobs.yaml by npm run generate. Do not edit.
import type { StructuralSchema } from '../structural-schema.ts'

/** The structural schema of a FederatedJob, v1alpha1: defaults, bounds and rules. */
export const FEDERATED_JOB_SCHEMA: StructuralSchema = {
 "type": "object",
 "required": [
  "spec"
 ],
 "x-kubernetes-validations": [
  {
   "rule": "self.spec.partitions.all(p, size(self.metadata.name) + size(p.name) <= 55)",
   "fieldPath": ".spec.partitions",
   "reason": "FieldValueInvalid",
   "message": "the name of the job and the name of a partition are together too long for its worker; shorten one of them: together they may have 55 characters"
  }
 ],
 "properties": {
  "apiVersion": {
   "type": "string"
  },
  "kind": {
   "type": "string"
  },
  "metadata": {
   "type": "object",
   "properties": {
    "name": {
     "type": "string",
     "minLength": 1,
     "maxLength": 51,
     "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
    }
   }
  },
  "spec": {
   "type": "object",
   "required": [
    "partitions"
   ],
   "x-kubernetes-validations": [
    {
     "rule": "self.strategy.type == 'Program' || self.strategy.minFitClients <= size(self.partitions.filter(p, p.train))",
     "fieldPath": ".strategy.minFitClients",
     "reason": "FieldValueInvalid",
     "message": "is above the number of partitions that train; lower it or add partitions"
    },
    {
     "rule": "self.strategy.type == 'Program' || self.strategy.minAvailableClients <= size(self.partitions.filter(p, p.train))",
     "fieldPath": ".strategy.minAvailableClients",
     "reason": "FieldValueInvalid",
     "message": "is above the number of partitions that train; lower it or add partitions"
    },
    {
     "rule": "!has(self.round.quorum) || self.round.quorum <= self.strategy.minFitClients || double(self.round.quorum) <= double(size(self.partitions.filter(p, p.train))) * self.strategy.fractionFit",
     "fieldPath": ".round.quorum",
     "reason": "FieldValueInvalid",
     "message": "is above the largest cohort, max(floor(training partitions x fractionFit), minFitClients); lower it, or raise strategy.minFitClients or strategy.fractionFit"
    },
    {
     "rule": "!has(self.evaluation) || double(size(self.partitions)) * self.strategy.fractionEvaluate >= 1.0",
     "fieldPath": ".evaluation",
     "reason": "FieldValueInvalid",
     "message": "is set, but nobody would evaluate, because floor(partitions x strategy.fractionEvaluate) is 0; raise fractionEvaluate or remove evaluation"
    },
    {
     "rule": "!has(self.evaluation) || self.trainer.type != 'SegmentAnything' || self.partitions.exists(p, !has(p.dataset.heldOutFraction) || p.dataset.heldOutFraction > 0.0)",
     "fieldPath": ".evaluation",
     "reason": "FieldValueInvalid",
     "message": "is set, but no partition holds anything out to evaluate on; set dataset.heldOutFraction above 0, add a partition with train: false, or remove evaluation"
    },
    {
     "rule": "!has(self.resumeFrom) || self.model.initialParameters == ''",
     "fieldPath": ".model.initialParameters",
     "reason": "FieldValueForbidden",
     "message": "is set together with resumeFrom, which brings its own parameters; remove one of the two"
    },
    {
     "rule": "!self.output.fullCheckpoint || self.trainer.type == 'SegmentAnything'",
     "fieldPath": ".output.fullCheckpoint",
     "reason": "FieldValueInvalid",
     "message": "is true, but a Command trainer has no base checkpoint; the model in its output is whole, so remove the field"
    },
    {
     "rule": "!has(self.resumeFrom) || self.rounds > self.resumeFrom.round",
     "fieldPath": ".rounds",
     "reason": "FieldValueInvalid",
     "message": "is not above resumeFrom.round; rounds is the number of the last round, so raise it"
    },
    {
     "rule": "self.strategy.type != 'Program' || self.rounds == 10",
     "fieldPath": ".rounds",
     "reason": "FieldValueForbidden",
     "message": "is set, but a Program ends its run itself, after as many exchanges as it likes; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || self.trainer.type == 'Command'",
     "fieldPath": ".trainer.type",
     "reason": "FieldValueInvalid",
     "message": "is a trainer that answers no messages, and strategy.type is Program; set it to Command, with a program that answers the call message of docs/trainer-seam.md"
    },
    {
     "rule": "self.strategy.type != 'Program' || !has(self.trainer.config) || size(self.trainer.config) == 0",
     "fieldPath": ".trainer.config",
     "reason": "FieldValueForbidden",
     "message": "is set, but with strategy.type Program the messages bring the configuration; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || !has(self.evaluation)",
     "fieldPath": ".evaluation",
     "reason": "FieldValueForbidden",
     "message": "is set, but with strategy.type Program the program itself evaluates and stops; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || !has(self.resumeFrom)",
     "fieldPath": ".resumeFrom",
     "reason": "FieldValueForbidden",
     "message": "is set, but a Program chooses its first parameters itself; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || self.model.initialParameters == ''",
     "fieldPath": ".model.initialParameters",
     "reason": "FieldValueForbidden",
     "message": "is set, but with strategy.type Program the program chooses its first parameters itself; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || !has(self.round.quorum)",
     "fieldPath": ".round.quorum",
     "reason": "FieldValueForbidden",
     "message": "is set, but with strategy.type Program the program itself says what is enough; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || !has(self.round.graceSeconds)",
     "fieldPath": ".round.graceSeconds",
     "reason": "FieldValueForbidden",
     "message": "is set, but with strategy.type Program the program itself says how long it waits; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || !has(self.round.maxExamples)",
     "fieldPath": ".round.maxExamples",
     "reason": "FieldValueForbidden",
     "message": "is set, but FedSAM does not read the messages of a Program, so it knows no examples; remove it"
    },
    {
     "rule": "self.strategy.type != 'Program' || self.round.maxFailedRounds == 3",
     "fieldPath": ".round.maxFailedRounds",
     "reason": "FieldValueForbidden",
     "message": "is set, but an exchange of a Program is never attempted again; remove it"
    },
    {
     "rule": "oldSelf.hasValue() || self.allowInsecure || !has(self.storage) || !self.storage.s3.endpoint.startsWith('http://')",
     "optionalOldSelf": true,
     "fieldPath": ".storage.s3.endpoint",
     "reason": "FieldValueForbidden",
     "message": "is a store without TLS: anybody on the network reads models and updates; write https://, or set allowInsecure to true"
    },
    {
     "rule": "oldSelf.hasValue() || self.allowInsecure || !has(self.messaging) || self.messaging.nats.tlsSecretName != '' || self.messaging.nats.url.matches('(^|,)tls://')",
     "optionalOldSelf": true,
     "fieldPath": ".messaging.nats.url",
     "reason": "FieldValueForbidden",
     "message": "does not demand TLS: anybody on the network reads and writes messages; write tls://, name the authority in tlsSecretName, or set allowInsecure to true"
    },
    {
     "rule": "!has(self.storage) || self.storage.s3.publicEndpoint != '' || !self.partitions.exists(p, has(p.external))",
     "fieldPath": ".storage.s3.publicEndpoint",
     "reason": "FieldValueRequired",
     "message": "is missing, and a partition is external; set it to the https:// address at which sites reach the store, or remove external"
    },
    {
     "rule": "!has(self.messaging) || self.messaging.nats.publicUrl != '' || !self.partitions.exists(p, has(p.external))",
     "fieldPath": ".messaging.nats.publicUrl",
     "reason": "FieldValueRequired",
     "message": "is missing, and a partition is external; set it to the wss:// address at which sites reach NATS, or remove external"
    },
    {
     "rule": "has(self.storage) == has(oldSelf.storage)",
     "fieldPath": ".storage",
     "reason": "FieldValueForbidden",
     "message": "cannot be added or removed once the job exists; create a new job, with resumeFrom to continue from this one"
    },
    {
     "rule": "has(self.messaging) == has(oldSelf.messaging)",
     "fieldPath": ".messaging",
     "reason": "FieldValueForbidden",
     "message": "cannot be added or removed once the job exists; create a new job, with resumeFrom to continue from this one"
    },
    {
     "rule": "has(self.evaluation) == has(oldSelf.evaluation)",
     "fieldPath": ".evaluation",
     "reason": "FieldValueForbidden",
     "message": "cannot be added or removed once the job exists; create a new job, with resumeFrom to continue from this one"
    },
    {
     "rule": "has(self.activeDeadlineSeconds) == has(oldSelf.activeDeadlineSeconds) && (!has(self.activeDeadlineSeconds) || self.activeDeadlineSeconds == oldSelf.activeDeadlineSeconds)",
     "fieldPath": ".activeDeadlineSeconds",
     "reason": "FieldValueForbidden",
     "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
    },
    {
     "rule": "has(self.resumeFrom) == has(oldSelf.resumeFrom) && (!has(self.resumeFrom) || self.resumeFrom == oldSelf.resumeFrom)",
     "fieldPath": ".resumeFrom",
     "reason": "FieldValueForbidden",
     "message": "cannot be changed once the job exists; create a new job"
    }
   ],
   "properties": {
    "rounds": {
     "type": "integer",
     "format": "int32",
     "default": 10,
     "minimum": 1,
     "maximum": 100000,
     "x-kubernetes-validations": [
      {
       "rule": "self >= oldSelf",
       "reason": "FieldValueForbidden",
       "message": "can only be raised once the job exists; set the old number or a larger one"
      }
     ]
    },
    "seed": {
     "type": "integer",
     "format": "int64",
     "default": 0,
     "minimum": 0,
     "maximum": 9007199254740991,
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ]
    },
    "suspend": {
     "type": "boolean",
     "default": false
    },
    "managedBy": {
     "type": "string",
     "default": "",
     "maxLength": 63,
     "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_./]*)?$",
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ]
    },
    "strategy": {
     "type": "object",
     "default": {},
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      },
      {
       "rule": "!has(self.type) || self.type != 'FedTrimmedAvg' || (has(self.fedTrimmedAvg) ? self.fedTrimmedAvg.beta : 0.2) == 0.0 || (has(self.fedTrimmedAvg) ? self.fedTrimmedAvg.beta : 0.2) * double(self.minFitClients) >= 1.0",
       "fieldPath": ".minFitClients",
       "reason": "FieldValueInvalid",
       "message": "is too small for FedTrimmedAvg, which would cut no update at either end; set it to at least 1 / beta (5 for the default beta of 0.2)"
      },
      {
       "rule": "!has(self.type) || (self.type == 'Krum' ? (has(self.krum) ? double(self.krum.numMaliciousNodes) : 0.0) * 2.0 + 3.0 : self.type == 'MultiKrum' ? (has(self.multiKrum) ? double(self.multiKrum.numMaliciousNodes) : 0.0) * 2.0 + 3.0 : 0.0) <= double(self.minFitClients)",
       "fieldPath": ".minFitClients",
       "reason": "FieldValueInvalid",
       "message": "is too small for this strategy; set it to at least 2 x numMaliciousNodes + 3"
      },
      {
       "rule": "!has(self.type) || self.type != 'MultiKrum' || !has(self.multiKrum) || self.multiKrum.numNodesToSelect <= self.minFitClients",
       "fieldPath": ".minFitClients",
       "reason": "FieldValueInvalid",
       "message": "is below multiKrum.numNodesToSelect; raise it to that"
      },
      {
       "rule": "!has(self.clipNorm) || !has(self.clipNorm.medianMultiple) || self.minFitClients >= 3",
       "fieldPath": ".minFitClients",
       "reason": "FieldValueInvalid",
       "message": "is too small for clipNorm.medianMultiple, because one of two clients can choose their median; set it to at least 3"
      },
      {
       "rule": "!has(self.fedAvgM) || self.type == 'FedAvgM'",
       "fieldPath": ".fedAvgM",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to FedAvgM"
      },
      {
       "rule": "!has(self.fedAdam) || self.type == 'FedAdam'",
       "fieldPath": ".fedAdam",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to FedAdam"
      },
      {
       "rule": "!has(self.fedYogi) || self.type == 'FedYogi'",
       "fieldPath": ".fedYogi",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to FedYogi"
      },
      {
       "rule": "!has(self.fedAdagrad) || self.type == 'FedAdagrad'",
       "fieldPath": ".fedAdagrad",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to FedAdagrad"
      },
      {
       "rule": "!has(self.fedTrimmedAvg) || self.type == 'FedTrimmedAvg'",
       "fieldPath": ".fedTrimmedAvg",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to FedTrimmedAvg"
      },
      {
       "rule": "!has(self.krum) || self.type == 'Krum'",
       "fieldPath": ".krum",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to Krum"
      },
      {
       "rule": "!has(self.multiKrum) || self.type == 'MultiKrum'",
       "fieldPath": ".multiKrum",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to MultiKrum"
      },
      {
       "rule": "!has(self.program) || self.type == 'Program'",
       "fieldPath": ".program",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another strategy; remove it or set type to Program"
      },
      {
       "rule": "!has(self.type) || self.type != 'Program' || (has(self.program) && size(self.program.command) > 0)",
       "fieldPath": ".program",
       "reason": "FieldValueRequired",
       "message": "names no program, and the strategy has type Program; set program.command to the program and its arguments"
      },
      {
       "rule": "!has(self.type) || self.type != 'Program' || self.minFitClients == 2",
       "fieldPath": ".minFitClients",
       "reason": "FieldValueForbidden",
       "message": "is set, but with type Program the program itself chooses the clients; remove it"
      },
      {
       "rule": "!has(self.type) || self.type != 'Program' || self.minAvailableClients == 2",
       "fieldPath": ".minAvailableClients",
       "reason": "FieldValueForbidden",
       "message": "is set, but with type Program the program itself chooses the clients; remove it"
      },
      {
       "rule": "!has(self.type) || self.type != 'Program' || self.fractionFit == 1.0",
       "fieldPath": ".fractionFit",
       "reason": "FieldValueForbidden",
       "message": "is set, but with type Program the program itself chooses the clients; remove it"
      },
      {
       "rule": "!has(self.type) || self.type != 'Program' || self.fractionEvaluate == 1.0",
       "fieldPath": ".fractionEvaluate",
       "reason": "FieldValueForbidden",
       "message": "is set, but with type Program the program itself chooses the clients; remove it"
      },
      {
       "rule": "!has(self.type) || self.type != 'Program' || !has(self.clipNorm)",
       "fieldPath": ".clipNorm",
       "reason": "FieldValueForbidden",
       "message": "is set, but FedSAM does not read the messages of a Program, so it cannot clip them; remove it"
      }
     ],
     "properties": {
      "type": {
       "type": "string",
       "default": "FedAvg",
       "enum": [
        "FedAvg",
        "FedAvgM",
        "FedAdam",
        "FedYogi",
        "FedAdagrad",
        "FedMedian",
        "FedTrimmedAvg",
        "Krum",
        "MultiKrum",
        "Program"
       ]
      },
      "program": {
       "type": "object",
       "properties": {
        "command": {
         "type": "array",
         "default": [],
         "maxItems": 64,
         "x-kubernetes-list-type": "atomic",
         "items": {
          "type": "string",
          "maxLength": 4096
         }
        },
        "args": {
         "type": "array",
         "default": [],
         "maxItems": 64,
         "x-kubernetes-list-type": "atomic",
         "items": {
          "type": "string",
          "maxLength": 4096
         }
        },
        "env": {
         "type": "array",
         "default": [],
         "maxItems": 128,
         "x-kubernetes-list-type": "map",
         "x-kubernetes-list-map-keys": [
          "name"
         ],
         "items": {
          "type": "object",
          "required": [
           "name"
          ],
          "properties": {
           "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 256
           },
           "value": {
            "type": "string",
            "maxLength": 4096,
            "default": ""
           }
          }
         }
        },
        "restarts": {
         "type": "integer",
         "format": "int32",
         "default": 3,
         "minimum": 0,
         "maximum": 1000
        }
       }
      },
      "minFitClients": {
       "type": "integer",
       "format": "int32",
       "default": 2,
       "minimum": 1,
       "maximum": 1000
      },
      "minAvailableClients": {
       "type": "integer",
       "format": "int32",
       "default": 2,
       "minimum": 1,
       "maximum": 1000
      },
      "fractionFit": {
       "type": "number",
       "default": 1,
       "minimum": 0,
       "maximum": 1
      },
      "fractionEvaluate": {
       "type": "number",
       "default": 1,
       "minimum": 0,
       "maximum": 1
      },
      "clipNorm": {
       "type": "object",
       "x-kubernetes-validations": [
        {
         "rule": "has(self.norm) != has(self.medianMultiple)",
         "reason": "FieldValueInvalid",
         "message": "has both fields or none; set exactly one of norm and medianMultiple"
        }
       ],
       "properties": {
        "norm": {
         "type": "number",
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000000000000
        },
        "medianMultiple": {
         "type": "number",
         "minimum": 1,
         "maximum": 1000000
        }
       }
      },
      "clientState": {
       "type": "string",
       "enum": [
        "Record",
        "Local"
       ]
      },
      "clientStateBytes": {
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 1099511627776
      },
      "fedAvgM": {
       "type": "object",
       "properties": {
        "serverLearningRate": {
         "type": "number",
         "default": 1,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        },
        "serverMomentum": {
         "type": "number",
         "default": 0,
         "minimum": 0,
         "maximum": 1,
         "exclusiveMaximum": true
        }
       }
      },
      "fedAdam": {
       "type": "object",
       "properties": {
        "eta": {
         "type": "number",
         "default": 0.1,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        },
        "beta1": {
         "type": "number",
         "default": 0.9,
         "minimum": 0,
         "maximum": 1,
         "exclusiveMaximum": true
        },
        "beta2": {
         "type": "number",
         "default": 0.99,
         "minimum": 0,
         "maximum": 1,
         "exclusiveMaximum": true
        },
        "tau": {
         "type": "number",
         "default": 0.001,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        }
       }
      },
      "fedYogi": {
       "type": "object",
       "properties": {
        "eta": {
         "type": "number",
         "default": 0.01,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        },
        "beta1": {
         "type": "number",
         "default": 0.9,
         "minimum": 0,
         "maximum": 1,
         "exclusiveMaximum": true
        },
        "beta2": {
         "type": "number",
         "default": 0.99,
         "minimum": 0,
         "maximum": 1,
         "exclusiveMaximum": true
        },
        "tau": {
         "type": "number",
         "default": 0.001,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        }
       }
      },
      "fedAdagrad": {
       "type": "object",
       "properties": {
        "eta": {
         "type": "number",
         "default": 0.1,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        },
        "tau": {
         "type": "number",
         "default": 0.001,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        }
       }
      },
      "fedTrimmedAvg": {
       "type": "object",
       "properties": {
        "beta": {
         "type": "number",
         "default": 0.2,
         "minimum": 0,
         "maximum": 1,
         "x-kubernetes-validations": [
          {
           "rule": "self < 0.5",
           "reason": "FieldValueInvalid",
           "message": "is not below 0.5, so no update would be left; lower it"
          }
         ]
        }
       }
      },
      "krum": {
       "type": "object",
       "properties": {
        "numMaliciousNodes": {
         "type": "integer",
         "format": "int32",
         "default": 0,
         "minimum": 0,
         "maximum": 1000
        }
       }
      },
      "multiKrum": {
       "type": "object",
       "properties": {
        "numMaliciousNodes": {
         "type": "integer",
         "format": "int32",
         "default": 0,
         "minimum": 0,
         "maximum": 1000
        },
        "numNodesToSelect": {
         "type": "integer",
         "format": "int32",
         "default": 1,
         "minimum": 1,
         "maximum": 1000
        }
       }
      }
     }
    },
    "round": {
     "type": "object",
     "default": {},
     "x-kubernetes-validations": [
      {
       "rule": "!has(self.graceSeconds) || !has(self.deadlineSeconds) || self.graceSeconds <= self.deadlineSeconds",
       "fieldPath": ".graceSeconds",
       "reason": "FieldValueInvalid",
       "message": "is longer than deadlineSeconds, so it would have no effect; lower it or remove it"
      }
     ],
     "properties": {
      "deadlineSeconds": {
       "type": "integer",
       "format": "int32",
       "default": 3600,
       "minimum": 1,
       "maximum": 604800
      },
      "quorum": {
       "type": "integer",
       "format": "int32",
       "minimum": 1,
       "maximum": 1000
      },
      "graceSeconds": {
       "type": "integer",
       "format": "int32",
       "nullable": true,
       "minimum": 0,
       "maximum": 604800
      },
      "availabilitySeconds": {
       "type": "integer",
       "format": "int32",
       "default": 1800,
       "minimum": 1,
       "maximum": 604800
      },
      "settleSeconds": {
       "type": "integer",
       "format": "int32",
       "default": 60,
       "minimum": 0,
       "maximum": 604800
      },
      "noProgressSeconds": {
       "type": "integer",
       "format": "int32",
       "default": 600,
       "minimum": 1,
       "maximum": 604800
      },
      "maxExamples": {
       "type": "integer",
       "format": "int32",
       "minimum": 1,
       "maximum": 536870912
      },
      "maxFailedRounds": {
       "type": "integer",
       "format": "int32",
       "default": 3,
       "minimum": 1,
       "maximum": 1000
      }
     }
    },
    "trainer": {
     "type": "object",
     "default": {},
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      },
      {
       "rule": "!has(self.segmentAnything) || self.type == 'SegmentAnything'",
       "fieldPath": ".segmentAnything",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another trainer; remove it or set type to SegmentAnything"
      },
      {
       "rule": "!has(self.command) || self.type == 'Command'",
       "fieldPath": ".command",
       "reason": "FieldValueForbidden",
       "message": "is set, but type is another trainer; remove it or set type to Command"
      },
      {
       "rule": "!has(self.config) || size(self.config) == 0 || self.type == 'Command'",
       "fieldPath": ".config",
       "reason": "FieldValueForbidden",
       "message": "is set, but only a Command trainer reads it; remove it, and set the fields of the trainer that type names"
      },
      {
       "rule": "!has(self.type) || self.type != 'Command' || (has(self.command) && size(self.command.command) > 0)",
       "fieldPath": ".command",
       "reason": "FieldValueRequired",
       "message": "names no program, and the trainer has type Command; set command.command to the program and its arguments"
      }
     ],
     "properties": {
      "type": {
       "type": "string",
       "default": "SegmentAnything",
       "enum": [
        "SegmentAnything",
        "Command"
       ]
      },
      "config": {
       "type": "object",
       "default": {},
       "maxProperties": 64,
       "additionalProperties": {
        "type": "string",
        "maxLength": 1024
       },
       "x-kubernetes-validations": [
        {
         "rule": "!('server_round' in self)",
         "reason": "FieldValueForbidden",
         "message": "sets server_round, which FedSAM sends with every call; remove it"
        },
        {
         "rule": "!('seed' in self)",
         "reason": "FieldValueForbidden",
         "message": "sets seed, which FedSAM sends with every call; set spec.seed, or give yours another name such as my_seed"
        },
        {
         "rule": "self.all(name, size(name) >= 1 && size(name) <= 64)",
         "reason": "FieldValueInvalid",
         "message": "has a name without characters or with more than 64; use names of 1 to 64 characters"
        }
       ]
      },
      "segmentAnything": {
       "type": "object",
       "properties": {
        "checkpoint": {
         "type": "object",
         "default": {},
         "properties": {
          "uri": {
           "type": "string",
           "default": "hf://facebook/sam-vit-base",
           "minLength": 1,
           "maxLength": 1024,
           "x-kubernetes-validations": [
            {
             "rule": "!self.contains('://') || self.startsWith('hf://') || self.startsWith('s3://')",
             "reason": "FieldValueInvalid",
             "message": "has an unknown scheme; write hf://owner/name@revision, s3://bucket/prefix or a folder"
            },
            {
             "rule": "!self.startsWith('hf://') || self.matches('^hf://[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(@[^@]+)?$')",
             "reason": "FieldValueInvalid",
             "message": "is not of the form hf://owner/name or hf://owner/name@revision; correct it"
            },
            {
             "rule": "!self.startsWith('s3://') || self.matches('^s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?$')",
             "reason": "FieldValueInvalid",
             "message": "is not of the form s3://bucket/prefix; correct it"
            }
           ]
          },
          "credentialsSecretName": {
           "type": "string",
           "default": "",
           "maxLength": 253,
           "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
          }
         }
        },
        "train": {
         "type": "array",
         "default": [
          "MaskDecoder"
         ],
         "minItems": 1,
         "maxItems": 4,
         "x-kubernetes-list-type": "set",
         "x-kubernetes-validations": [
          {
           "rule": "!('LoRA' in self)",
           "reason": "FieldValueInvalid",
           "message": "names LoRA, and this version cannot train adapters; remove it, and name MaskDecoder, PromptEncoder or VisionEncoder"
          }
         ],
         "items": {
          "type": "string",
          "maxLength": 32,
          "enum": [
           "MaskDecoder",
           "PromptEncoder",
           "VisionEncoder",
           "LoRA"
          ]
         }
        },
        "epochs": {
         "type": "integer",
         "format": "int32",
         "default": 1,
         "minimum": 1,
         "maximum": 10000
        },
        "batchSize": {
         "type": "integer",
         "format": "int32",
         "default": 2,
         "minimum": 1,
         "maximum": 65536
        },
        "learningRate": {
         "type": "number",
         "default": 0.00001,
         "minimum": 0,
         "exclusiveMinimum": true,
         "maximum": 1000
        },
        "optimizer": {
         "type": "string",
         "default": "Adam",
         "enum": [
          "Adam",
          "AdamW",
          "SGD"
         ]
        },
        "keepOptimizerState": {
         "type": "boolean",
         "default": false
        },
        "loss": {
         "type": "string",
         "default": "DiceCE",
         "enum": [
          "DiceCE",
          "Dice",
          "DiceFocal"
         ]
        },
        "prompts": {
         "type": "string",
         "default": "Box",
         "enum": [
          "Box",
          "Points"
         ]
        },
        "boxJitterPixels": {
         "type": "integer",
         "format": "int32",
         "default": 20,
         "minimum": 0,
         "maximum": 1024
        },
        "shuffle": {
         "type": "boolean",
         "default": true
        },
        "backend": {
         "type": "string",
         "default": "Auto",
         "enum": [
          "Auto",
          "TensorFlow",
          "WebGPU",
          "Wasm",
          "CPU"
         ],
         "x-kubernetes-validations": [
          {
           "rule": "self != 'WebGPU'",
           "reason": "FieldValueInvalid",
           "message": "is not available in this version; set Auto, TensorFlow, Wasm or CPU"
          }
         ]
        }
       }
      },
      "command": {
       "type": "object",
       "properties": {
        "image": {
         "type": "string",
         "default": "",
         "maxLength": 1024
        },
        "command": {
         "type": "array",
         "default": [],
         "maxItems": 64,
         "x-kubernetes-list-type": "atomic",
         "items": {
          "type": "string",
          "maxLength": 4096
         }
        },
        "args": {
         "type": "array",
         "default": [],
         "maxItems": 64,
         "x-kubernetes-list-type": "atomic",
         "items": {
          "type": "string",
          "maxLength": 4096
         }
        },
        "env": {
         "type": "array",
         "default": [],
         "maxItems": 128,
         "x-kubernetes-list-type": "map",
         "x-kubernetes-list-map-keys": [
          "name"
         ],
         "items": {
          "type": "object",
          "required": [
           "name"
          ],
          "properties": {
           "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 256
           },
           "value": {
            "type": "string",
            "maxLength": 4096,
            "default": ""
           },
           "valueFrom": {
            "type": "object",
            "maxProperties": 8,
            "x-kubernetes-preserve-unknown-fields": true
           }
          }
         }
        }
       }
      }
     }
    },
    "partitions": {
     "type": "array",
     "minItems": 1,
     "maxItems": 1000,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "name"
     ],
     "items": {
      "type": "object",
      "required": [
       "name"
      ],
      "x-kubernetes-validations": [
       {
        "rule": "!has(self.external) || !has(self.source)",
        "fieldPath": ".source",
        "reason": "FieldValueForbidden",
        "message": "is set beside external, but the operator runs nothing for a site; remove it, or remove external"
       },
       {
        "rule": "!has(self.external) || !has(self.serviceAccountName) || self.serviceAccountName == ''",
        "fieldPath": ".serviceAccountName",
        "reason": "FieldValueForbidden",
        "message": "is set beside external, but the operator runs nothing for a site; remove it, or remove external"
       },
       {
        "rule": "!has(self.external) || !has(self.securityContext) || size(dyn(self.securityContext)) == 0",
        "fieldPath": ".securityContext",
        "reason": "FieldValueForbidden",
        "message": "is set beside external, but the operator runs nothing for a site; remove it, or remove external"
       },
       {
        "rule": "!has(self.external) || !has(self.nodeSelector) || size(self.nodeSelector) == 0",
        "fieldPath": ".nodeSelector",
        "reason": "FieldValueForbidden",
        "message": "is set beside external, but the operator runs nothing for a site; remove it, or remove external"
       },
       {
        "rule": "!has(self.external) || !has(self.tolerations) || size(self.tolerations) == 0",
        "fieldPath": ".tolerations",
        "reason": "FieldValueForbidden",
        "message": "is set beside external, but the operator runs nothing for a site; remove it, or remove external"
       },
       {
        "rule": "!has(self.external) || !has(self.workers)",
        "fieldPath": ".workers",
        "reason": "FieldValueForbidden",
        "message": "is set beside external, but the operator runs nothing for a site; remove it, or remove external"
       },
       {
        "rule": "!has(self.dataset) || !has(self.dataset.heldOutFraction) || self.dataset.heldOutFraction <= 0.9 || (has(self.train) && !self.train)",
        "fieldPath": ".dataset.heldOutFraction",
        "reason": "FieldValueInvalid",
        "message": "is above 0.9, which leaves too little to train on; lower it or set train to false"
       }
      ],
      "properties": {
       "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 54,
        "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
       },
       "dataset": {
        "type": "object",
        "default": {},
        "x-kubernetes-validations": [
         {
          "rule": "!has(self.layout) || self.layout != 'COCO' || (has(self.annotationsFile) && self.annotationsFile != '')",
          "fieldPath": ".annotationsFile",
          "reason": "FieldValueRequired",
          "message": "is missing for layout COCO; set it to the path of the JSON file, relative to root"
         },
         {
          "rule": "!has(self.layout) || self.layout != 'Folders' || !has(self.annotationsFile) || self.annotationsFile == ''",
          "fieldPath": ".annotationsFile",
          "reason": "FieldValueForbidden",
          "message": "is only for layout COCO; remove it or set layout to COCO"
         }
        ],
        "properties": {
         "root": {
          "type": "string",
          "default": "/data",
          "minLength": 1,
          "maxLength": 1024
         },
         "layout": {
          "type": "string",
          "default": "Folders",
          "enum": [
           "Folders",
           "COCO"
          ]
         },
         "imageSubfolder": {
          "type": "string",
          "default": "images",
          "maxLength": 256
         },
         "annotationSubfolder": {
          "type": "string",
          "default": "masks",
          "maxLength": 256
         },
         "annotationsFile": {
          "type": "string",
          "default": "",
          "maxLength": 1024
         },
         "labels": {
          "type": "array",
          "default": [],
          "maxItems": 256,
          "x-kubernetes-list-type": "set",
          "items": {
           "type": "integer",
           "format": "int32",
           "minimum": 0,
           "maximum": 65535
          }
         },
         "groupPattern": {
          "type": "string",
          "default": "",
          "maxLength": 256
         },
         "heldOutFraction": {
          "type": "number",
          "minimum": 0,
          "maximum": 1
         }
        }
       },
       "source": {
        "type": "object",
        "x-kubernetes-validations": [
         {
          "rule": "has(self.persistentVolumeClaim) != has(self.s3)",
          "reason": "FieldValueInvalid",
          "message": "must be exactly one of persistentVolumeClaim and s3; set one"
         }
        ],
        "properties": {
         "persistentVolumeClaim": {
          "type": "object",
          "required": [
           "claimName"
          ],
          "properties": {
           "claimName": {
            "type": "string",
            "minLength": 1,
            "maxLength": 253,
            "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
           }
          }
         },
         "s3": {
          "type": "object",
          "required": [
           "uri"
          ],
          "properties": {
           "uri": {
            "type": "string",
            "maxLength": 1024,
            "pattern": "^s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?$"
           },
           "credentialsSecretName": {
            "type": "string",
            "default": "",
            "maxLength": 253,
            "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
           }
          }
         }
        }
       },
       "train": {
        "type": "boolean",
        "default": true
       },
       "external": {
        "type": "object",
        "nullable": true,
        "required": [
         "publicKey"
        ],
        "properties": {
         "publicKey": {
          "type": "string",
          "maxLength": 64,
          "pattern": "^[0-9a-f]{64}$"
         }
        }
       },
       "serviceAccountName": {
        "type": "string",
        "default": "",
        "maxLength": 253,
        "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
       },
       "securityContext": {
        "type": "object",
        "default": {},
        "maxProperties": 16,
        "x-kubernetes-preserve-unknown-fields": true
       },
       "nodeSelector": {
        "type": "object",
        "default": {},
        "maxProperties": 32,
        "additionalProperties": {
         "type": "string",
         "maxLength": 63
        }
       },
       "tolerations": {
        "type": "array",
        "default": [],
        "maxItems": 32,
        "x-kubernetes-list-type": "atomic",
        "items": {
         "type": "object",
         "properties": {
          "key": {
           "type": "string",
           "maxLength": 316
          },
          "operator": {
           "type": "string",
           "enum": [
            "Equal",
            "Exists"
           ]
          },
          "value": {
           "type": "string",
           "maxLength": 63
          },
          "effect": {
           "type": "string",
           "enum": [
            "NoSchedule",
            "PreferNoSchedule",
            "NoExecute"
           ]
          },
          "tolerationSeconds": {
           "type": "integer",
           "format": "int64",
           "minimum": 0,
           "maximum": 31536000
          }
         }
        }
       },
       "workers": {
        "type": "object",
        "properties": {
         "accelerator": {
          "type": "object",
          "properties": {
           "resource": {
            "type": "string",
            "default": "nvidia.com/gpu",
            "minLength": 1,
            "maxLength": 253,
            "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
           },
           "count": {
            "type": "integer",
            "format": "int32",
            "default": 1,
            "minimum": 0,
            "maximum": 64
           },
           "whenUnseen": {
            "type": "string",
            "default": "Fail",
            "enum": [
             "Fail",
             "UseCPU"
            ]
           }
          }
         },
         "resources": {
          "type": "object",
          "properties": {
           "requests": {
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {
             "x-kubernetes-int-or-string": true,
             "maxLength": 32,
             "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
           },
           "limits": {
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {
             "x-kubernetes-int-or-string": true,
             "maxLength": 32,
             "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
           }
          }
         },
         "cache": {
          "type": "object",
          "properties": {
           "sizeLimit": {
            "x-kubernetes-int-or-string": true,
            "default": "20Gi",
            "maxLength": 32,
            "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
           },
           "volumeClaimTemplate": {
            "type": "object",
            "nullable": true,
            "maxProperties": 8,
            "x-kubernetes-preserve-unknown-fields": true
           }
          }
         },
         "template": {
          "type": "object",
          "maxProperties": 2,
          "x-kubernetes-preserve-unknown-fields": true
         }
        }
       }
      }
     }
    },
    "workers": {
     "type": "object",
     "default": {},
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ],
     "properties": {
      "accelerator": {
       "type": "object",
       "properties": {
        "resource": {
         "type": "string",
         "default": "nvidia.com/gpu",
         "minLength": 1,
         "maxLength": 253,
         "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
        },
        "count": {
         "type": "integer",
         "format": "int32",
         "default": 1,
         "minimum": 0,
         "maximum": 64
        },
        "whenUnseen": {
         "type": "string",
         "default": "Fail",
         "enum": [
          "Fail",
          "UseCPU"
         ]
        }
       }
      },
      "resources": {
       "type": "object",
       "default": {},
       "properties": {
        "requests": {
         "type": "object",
         "maxProperties": 16,
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "maxLength": 32,
          "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
         }
        },
        "limits": {
         "type": "object",
         "maxProperties": 16,
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "maxLength": 32,
          "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
         }
        }
       }
      },
      "cache": {
       "type": "object",
       "default": {},
       "properties": {
        "sizeLimit": {
         "x-kubernetes-int-or-string": true,
         "default": "20Gi",
         "maxLength": 32,
         "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
        },
        "volumeClaimTemplate": {
         "type": "object",
         "nullable": true,
         "maxProperties": 8,
         "x-kubernetes-preserve-unknown-fields": true
        }
       }
      },
      "template": {
       "type": "object",
       "maxProperties": 2,
       "x-kubernetes-preserve-unknown-fields": true
      }
     }
    },
    "coordinator": {
     "type": "object",
     "default": {},
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ],
     "properties": {
      "resources": {
       "type": "object",
       "default": {},
       "properties": {
        "requests": {
         "type": "object",
         "maxProperties": 16,
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "maxLength": 32,
          "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
         }
        },
        "limits": {
         "type": "object",
         "maxProperties": 16,
         "additionalProperties": {
          "x-kubernetes-int-or-string": true,
          "maxLength": 32,
          "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
         }
        }
       }
      },
      "memoryBytes": {
       "type": "integer",
       "format": "int64",
       "default": 536870912,
       "minimum": 67108864,
       "maximum": 1099511627776
      },
      "nodeSelector": {
       "type": "object",
       "default": {},
       "maxProperties": 32,
       "additionalProperties": {
        "type": "string",
        "maxLength": 63
       }
      },
      "tolerations": {
       "type": "array",
       "default": [],
       "maxItems": 32,
       "x-kubernetes-list-type": "atomic",
       "items": {
        "type": "object",
        "properties": {
         "key": {
          "type": "string",
          "maxLength": 316
         },
         "operator": {
          "type": "string",
          "enum": [
           "Equal",
           "Exists"
          ]
         },
         "value": {
          "type": "string",
          "maxLength": 63
         },
         "effect": {
          "type": "string",
          "enum": [
           "NoSchedule",
           "PreferNoSchedule",
           "NoExecute"
          ]
         },
         "tolerationSeconds": {
          "type": "integer",
          "format": "int64",
          "minimum": 0,
          "maximum": 31536000
         }
        }
       }
      },
      "serviceAccountName": {
       "type": "string",
       "default": "",
       "maxLength": 253,
       "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
      },
      "template": {
       "type": "object",
       "maxProperties": 2,
       "x-kubernetes-preserve-unknown-fields": true
      }
     }
    },
    "storage": {
     "type": "object",
     "required": [
      "s3"
     ],
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ],
     "properties": {
      "s3": {
       "type": "object",
       "properties": {
        "bucket": {
         "type": "string",
         "default": "fedsam",
         "maxLength": 63,
         "pattern": "^[a-z0-9][a-z0-9.-]+[a-z0-9]$"
        },
        "prefix": {
         "type": "string",
         "default": "",
         "maxLength": 512,
         "pattern": "^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$"
        },
        "endpoint": {
         "type": "string",
         "default": "",
         "maxLength": 1024,
         "pattern": "^(https?://.+)?$",
         "x-kubernetes-validations": [
          {
           "rule": "!self.matches('//[^/?#]*@')",
           "reason": "FieldValueInvalid",
           "message": "has a user or a password in its address; remove them, and name a Secret in credentialsSecretName"
          }
         ]
        },
        "region": {
         "type": "string",
         "default": "",
         "maxLength": 64
        },
        "publicEndpoint": {
         "type": "string",
         "default": "",
         "maxLength": 512,
         "pattern": "^(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?)?$"
        },
        "forcePathStyle": {
         "type": "boolean",
         "default": true
        },
        "credentialsSecretName": {
         "type": "string",
         "default": "",
         "maxLength": 253,
         "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
        },
        "caBundleConfigMapName": {
         "type": "string",
         "default": "",
         "maxLength": 253,
         "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
        }
       }
      }
     }
    },
    "messaging": {
     "type": "object",
     "required": [
      "nats"
     ],
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ],
     "properties": {
      "nats": {
       "type": "object",
       "properties": {
        "url": {
         "type": "string",
         "default": "tls://nats:4222",
         "maxLength": 1024,
         "pattern": "^(nats|tls)://[^,]+(,(nats|tls)://[^,]+)*$",
         "x-kubernetes-validations": [
          {
           "rule": "!self.matches('//[^/?#]*@')",
           "reason": "FieldValueInvalid",
           "message": "has a user or a password in its address; remove them, and name a Secret in credentialsSecretName"
          }
         ]
        },
        "publicUrl": {
         "type": "string",
         "default": "",
         "maxLength": 512,
         "pattern": "^(wss://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/?)?$",
         "x-kubernetes-validations": [
          {
           "rule": "!self.matches('^wss://[^/]*:(1|7|9|11|13|15|17|19|20|21|22|23|25|37|42|43|53|69|77|79|87|95|101|102|103|104|109|110|111|113|115|117|119|123|135|137|139|143|161|179|389|427|465|512|513|514|515|526|530|531|532|540|548|554|556|563|587|601|636|989|990|993|995|1719|1720|1723|2049|3659|4045|4190|5060|5061|6000|6566|6665|6666|6667|6668|6669|6679|6697|10080)(/|$)')",
           "reason": "FieldValueInvalid",
           "message": "names a port to which no program opens a WebSocket (the fetch standard closes it); use 443, or another port"
          }
         ]
        },
        "credentialsSecretName": {
         "type": "string",
         "default": "",
         "maxLength": 253,
         "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
        },
        "tlsSecretName": {
         "type": "string",
         "default": "",
         "maxLength": 253,
         "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
        }
       }
      }
     }
    },
    "allowInsecure": {
     "type": "boolean",
     "default": false,
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ]
    },
    "model": {
     "type": "object",
     "default": {},
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ],
     "properties": {
      "initialParameters": {
       "type": "string",
       "default": "",
       "maxLength": 1024,
       "x-kubernetes-validations": [
        {
         "rule": "!self.contains('://') || self.startsWith('s3://')",
         "reason": "FieldValueInvalid",
         "message": "has an unknown scheme; write s3://bucket/key or the path of a file"
        }
       ]
      }
     }
    },
    "evaluation": {
     "type": "object",
     "minProperties": 1,
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      },
      {
       "rule": "!has(self.bestBy) || !has(self.stopWhen) || self.bestBy.metric != self.stopWhen.metric || (has(self.bestBy.mode) == has(self.stopWhen.mode) && (!has(self.bestBy.mode) || self.bestBy.mode == self.stopWhen.mode))",
       "fieldPath": ".stopWhen.mode",
       "reason": "FieldValueInvalid",
       "message": "differs from bestBy.mode for the same metric; write the same mode in both, or in neither"
      }
     ],
     "properties": {
      "bestBy": {
       "type": "object",
       "required": [
        "metric"
       ],
       "x-kubernetes-validations": [
        {
         "rule": "has(self.mode) || self.metric.matches('(^|[._-])(?i:loss|cost|nll|bce|entropy|perplexity|error|err|mae|mse|rmse|mape|brier|ece|wer|cer|distance|hausdorff|hd|asd|assd|dice|iou|miou|jaccard|acc|accuracy|precision|recall|sensitivity|specificity|f1|auc|auroc|auprc|ap|map|r2|psnr|ssim|kappa|mcc|bleu|rouge|score)[0-9]*([._-]|$)')",
         "fieldPath": ".mode",
         "reason": "FieldValueRequired",
         "message": "is not set, and the metric's name does not say whether a large or a small value is better; write mode: Max or mode: Min"
        }
       ],
       "properties": {
        "metric": {
         "type": "string",
         "minLength": 1,
         "maxLength": 64,
         "pattern": "^[A-Za-z0-9._-]+$"
        },
        "mode": {
         "type": "string",
         "enum": [
          "Max",
          "Min"
         ]
        }
       }
      },
      "stopWhen": {
       "type": "object",
       "required": [
        "metric"
       ],
       "x-kubernetes-validations": [
        {
         "rule": "has(self.mode) || self.metric.matches('(^|[._-])(?i:loss|cost|nll|bce|entropy|perplexity|error|err|mae|mse|rmse|mape|brier|ece|wer|cer|distance|hausdorff|hd|asd|assd|dice|iou|miou|jaccard|acc|accuracy|precision|recall|sensitivity|specificity|f1|auc|auroc|auprc|ap|map|r2|psnr|ssim|kappa|mcc|bleu|rouge|score)[0-9]*([._-]|$)')",
         "fieldPath": ".mode",
         "reason": "FieldValueRequired",
         "message": "is not set, and the metric's name does not say whether a large or a small value is better; write mode: Max or mode: Min"
        },
        {
         "rule": "has(self.patience) || has(self.target)",
         "reason": "FieldValueRequired",
         "message": "has neither patience nor target, so it would never stop; set one of them or remove stopWhen"
        }
       ],
       "properties": {
        "metric": {
         "type": "string",
         "minLength": 1,
         "maxLength": 64,
         "pattern": "^[A-Za-z0-9._-]+$"
        },
        "mode": {
         "type": "string",
         "enum": [
          "Max",
          "Min"
         ]
        },
        "patience": {
         "type": "integer",
         "format": "int32",
         "minimum": 1,
         "maximum": 100000
        },
        "target": {
         "type": "number",
         "minimum": -1000000000000,
         "maximum": 1000000000000
        }
       }
      }
     }
    },
    "output": {
     "type": "object",
     "default": {},
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ],
     "properties": {
      "fullCheckpoint": {
       "type": "boolean",
       "default": false
      },
      "retention": {
       "type": "object",
       "default": {},
       "properties": {
        "rounds": {
         "type": "integer",
         "format": "int32",
         "default": 2,
         "minimum": 1,
         "maximum": 100000
        }
       }
      }
     }
    },
    "startDeadlineSeconds": {
     "type": "integer",
     "format": "int32",
     "default": 3600,
     "minimum": 1,
     "maximum": 2592000,
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "reason": "FieldValueForbidden",
       "message": "cannot be changed once the job exists; create a new job, with resumeFrom to continue from this one"
      }
     ]
    },
    "activeDeadlineSeconds": {
     "type": "integer",
     "format": "int32",
     "nullable": true,
     "minimum": 1,
     "maximum": 31536000
    },
    "ttlSecondsAfterFinished": {
     "type": "integer",
     "format": "int32",
     "nullable": true,
     "minimum": 0,
     "maximum": 31536000
    },
    "resumeFrom": {
     "type": "object",
     "nullable": true,
     "required": [
      "prefix",
      "round"
     ],
     "properties": {
      "prefix": {
       "type": "string",
       "minLength": 1,
       "maxLength": 1024,
       "x-kubernetes-validations": [
        {
         "rule": "!self.contains('://') || self.startsWith('s3://')",
         "reason": "FieldValueInvalid",
         "message": "has an unknown scheme; write s3://bucket/prefix or the path of a folder"
        }
       ]
      },
      "round": {
       "type": "integer",
       "format": "int32",
       "minimum": 0,
       "maximum": 100000
      }
     }
    }
   }
  },
  "status": {
   "type": "object",
   "default": {
    "observedGeneration": -1
   },
   "properties": {
    "observedGeneration": {
     "type": "integer",
     "format": "int64",
     "minimum": -1,
     "maximum": 9007199254740991
    },
    "startTime": {
     "type": "string",
     "format": "date-time",
     "maxLength": 64
    },
    "completionTime": {
     "type": "string",
     "format": "date-time",
     "maxLength": 64
    },
    "summary": {
     "type": "object",
     "properties": {
      "state": {
       "type": "string",
       "maxLength": 64
      },
      "round": {
       "type": "string",
       "maxLength": 64
      },
      "clients": {
       "type": "string",
       "maxLength": 64
      },
      "metric": {
       "type": "string",
       "maxLength": 128
      },
      "loss": {
       "type": "string",
       "maxLength": 64
      },
      "message": {
       "type": "string",
       "maxLength": 1024
      },
      "output": {
       "type": "string",
       "maxLength": 1024
      }
     }
    },
    "conditions": {
     "type": "array",
     "maxItems": 16,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "type"
     ],
     "items": {
      "type": "object",
      "required": [
       "type",
       "status",
       "reason",
       "message",
       "lastTransitionTime"
      ],
      "properties": {
       "type": {
        "type": "string",
        "minLength": 1,
        "maxLength": 316
       },
       "status": {
        "type": "string",
        "enum": [
         "True",
         "False",
         "Unknown"
        ]
       },
       "reason": {
        "type": "string",
        "minLength": 1,
        "maxLength": 1024,
        "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
       },
       "message": {
        "type": "string",
        "maxLength": 32768
       },
       "observedGeneration": {
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": 9007199254740991
       },
       "lastTransitionTime": {
        "type": "string",
        "format": "date-time",
        "maxLength": 64
       }
      }
     }
    },
    "coordinatorCertificate": {
     "type": "object",
     "required": [
      "uid",
      "namespace",
      "name",
      "epoch",
      "key",
      "signature"
     ],
     "properties": {
      "uid": {
       "type": "string",
       "maxLength": 64
      },
      "namespace": {
       "type": "string",
       "maxLength": 63
      },
      "name": {
       "type": "string",
       "maxLength": 253
      },
      "epoch": {
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 9007199254740991
      },
      "key": {
       "type": "string",
       "maxLength": 64,
       "pattern": "^[0-9a-f]{64}$"
      },
      "signature": {
       "type": "string",
       "maxLength": 128,
       "pattern": "^[0-9a-f]{128}$"
      }
     }
    },
    "training": {
     "type": "object",
     "required": [
      "uid",
      "epoch",
      "round",
      "attempt"
     ],
     "x-kubernetes-validations": [
      {
       "rule": "self.uid != oldSelf.uid || self.epoch >= oldSelf.epoch",
       "fieldPath": ".epoch",
       "reason": "FieldValueInvalid",
       "message": "is below the epoch that was written before; a newer coordinator runs this job, so stop this one"
      },
      {
       "rule": "self.uid != oldSelf.uid || self.round > oldSelf.round || (self.round == oldSelf.round && self.attempt >= oldSelf.attempt)",
       "fieldPath": ".round",
       "reason": "FieldValueInvalid",
       "message": "goes back behind the round and attempt that were written before; read the record and continue from it"
      }
     ],
     "properties": {
      "uid": {
       "type": "string",
       "minLength": 1,
       "maxLength": 64
      },
      "epoch": {
       "type": "integer",
       "format": "int64",
       "minimum": 1,
       "maximum": 9007199254740991
      },
      "round": {
       "type": "integer",
       "format": "int32",
       "minimum": 0,
       "maximum": 100001
      },
      "attempt": {
       "type": "integer",
       "format": "int32",
       "minimum": 0,
       "maximum": 1000000
      },
      "key": {
       "type": "object",
       "required": [
        "epoch",
        "publicKey"
       ],
       "properties": {
        "epoch": {
         "type": "integer",
         "format": "int64",
         "minimum": 1,
         "maximum": 9007199254740991
        },
        "publicKey": {
         "type": "string",
         "maxLength": 64,
         "pattern": "^[0-9a-f]{64}$"
        }
       }
      },
      "state": {
       "type": "string",
       "enum": [
        "Starting",
        "Waiting",
        "Training",
        "QuorumLost",
        "Finishing",
        "Complete",
        "Failed"
       ]
      },
      "reason": {
       "type": "string",
       "maxLength": 128
      },
      "message": {
       "type": "string",
       "maxLength": 4096
      },
      "pauseUntil": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "head": {
       "type": "string",
       "maxLength": 128
      },
      "updatedTime": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "clients": {
       "type": "object",
       "properties": {
        "total": {
         "type": "integer",
         "format": "int32",
         "minimum": 0,
         "maximum": 1000
        },
        "available": {
         "type": "integer",
         "format": "int32",
         "minimum": 0,
         "maximum": 1000
        },
        "cohort": {
         "type": "integer",
         "format": "int32",
         "minimum": 0,
         "maximum": 1000
        },
        "accepted": {
         "type": "integer",
         "format": "int32",
         "minimum": 0,
         "maximum": 1000
        },
        "absent": {
         "type": "array",
         "maxItems": 1000,
         "x-kubernetes-list-type": "map",
         "x-kubernetes-list-map-keys": [
          "name"
         ],
         "items": {
          "type": "object",
          "required": [
           "name",
           "outcome"
          ],
          "properties": {
           "name": {
            "type": "string",
            "maxLength": 63
           },
           "outcome": {
            "type": "string",
            "enum": [
             "Rejected",
             "Late",
             "Failed",
             "Unreachable",
             "Refused",
             "Removed"
            ]
           },
           "reason": {
            "type": "string",
            "maxLength": 128
           },
           "message": {
            "type": "string",
            "maxLength": 512
           }
          }
         }
        },
        "outliers": {
         "type": "array",
         "maxItems": 100,
         "x-kubernetes-list-type": "map",
         "x-kubernetes-list-map-keys": [
          "name",
          "measure"
         ],
         "items": {
          "type": "object",
          "required": [
           "name",
           "measure"
          ],
          "properties": {
           "name": {
            "type": "string",
            "maxLength": 63
           },
           "measure": {
            "type": "string",
            "enum": [
             "Norm",
             "Loss"
            ]
           },
           "round": {
            "type": "integer",
            "format": "int32",
            "minimum": 0,
            "maximum": 100001
           },
           "value": {
            "type": "number",
            "minimum": -1e+300,
            "maximum": 1e+300
           },
           "median": {
            "type": "number",
            "minimum": -1e+300,
            "maximum": 1e+300
           }
          }
         }
        },
        "sites": {
         "type": "array",
         "maxItems": 1000,
         "x-kubernetes-list-type": "map",
         "x-kubernetes-list-map-keys": [
          "name"
         ],
         "items": {
          "type": "object",
          "required": [
           "name"
          ],
          "properties": {
           "name": {
            "type": "string",
            "maxLength": 63
           },
           "publicKey": {
            "type": "string",
            "maxLength": 64,
            "pattern": "^[0-9a-f]{64}$"
           },
           "connected": {
            "type": "boolean"
           },
           "lastHeardTime": {
            "type": "string",
            "format": "date-time",
            "maxLength": 64
           },
           "version": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "maximum": 9007199254740991
           }
          }
         }
        },
        "notEvaluated": {
         "type": "array",
         "maxItems": 1000,
         "x-kubernetes-list-type": "map",
         "x-kubernetes-list-map-keys": [
          "name"
         ],
         "items": {
          "type": "object",
          "required": [
           "name",
           "outcome"
          ],
          "properties": {
           "name": {
            "type": "string",
            "maxLength": 63
           },
           "outcome": {
            "type": "string",
            "enum": [
             "Nothing",
             "Rejected",
             "Late",
             "Failed",
             "Unreachable",
             "Refused",
             "Removed"
            ]
           },
           "reason": {
            "type": "string",
            "maxLength": 128
           },
           "message": {
            "type": "string",
            "maxLength": 512
           }
          }
         }
        }
       }
      },
      "rounds": {
       "type": "array",
       "maxItems": 10,
       "x-kubernetes-list-type": "map",
       "x-kubernetes-list-map-keys": [
        "round"
       ],
       "items": {
        "type": "object",
        "required": [
         "round"
        ],
        "properties": {
         "round": {
          "type": "integer",
          "format": "int32",
          "minimum": 0,
          "maximum": 100001
         },
         "attempt": {
          "type": "integer",
          "format": "int32",
          "minimum": 0,
          "maximum": 1000000
         },
         "cohort": {
          "type": "integer",
          "format": "int32",
          "minimum": 0,
          "maximum": 1000
         },
         "accepted": {
          "type": "integer",
          "format": "int32",
          "minimum": 0,
          "maximum": 1000
         },
         "seconds": {
          "type": "number",
          "minimum": 0,
          "maximum": 1000000000
         },
         "metrics": {
          "type": "object",
          "maxProperties": 32,
          "additionalProperties": {
           "type": "number",
           "minimum": -1e+300,
           "maximum": 1e+300
          }
         }
        }
       }
      },
      "metrics": {
       "type": "object",
       "maxProperties": 32,
       "additionalProperties": {
        "type": "number",
        "minimum": -1e+300,
        "maximum": 1e+300
       }
      },
      "best": {
       "type": "object",
       "required": [
        "round",
        "metric",
        "value"
       ],
       "properties": {
        "round": {
         "type": "integer",
         "format": "int32",
         "minimum": 0,
         "maximum": 100001
        },
        "metric": {
         "type": "string",
         "maxLength": 64
        },
        "value": {
         "type": "number",
         "minimum": -1e+300,
         "maximum": 1e+300
        }
       }
      },
      "bytes": {
       "type": "object",
       "properties": {
        "received": {
         "type": "integer",
         "format": "int64",
         "minimum": 0,
         "maximum": 9007199254740991
        },
        "sent": {
         "type": "integer",
         "format": "int64",
         "minimum": 0,
         "maximum": 9007199254740991
        }
       }
      },
      "output": {
       "type": "object",
       "properties": {
        "uri": {
         "type": "string",
         "maxLength": 1024
        },
        "round": {
         "type": "integer",
         "format": "int32",
         "minimum": 0,
         "maximum": 100001
        },
        "digest": {
         "type": "string",
         "maxLength": 128
        }
       }
      }
     }
    }
   }
  }
 }
}
