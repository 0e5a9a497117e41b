"""An ordinary training script of transformers, which knows nothing of FedSAM: a small BERT learns whether a sequence has many high tokens."""

import argparse

import torch
from transformers import BertConfig, BertForSequenceClassification, EarlyStoppingCallback, Trainer, TrainingArguments

parser = argparse.ArgumentParser()
parser.add_argument("--site", default="a", help="whose sequences")
parser.add_argument("--output", default="trained")
parser.add_argument("--epochs", type=float, default=2)
parser.add_argument("--model-init", action="store_true", help="make the model in Trainer.train()")
parser.add_argument("--lora", action="store_true", help="train adapters of PEFT alone")
args = parser.parse_args()


class Sequences(torch.utils.data.Dataset):
    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.tokens = torch.randint(0, 64, (count, 12), generator=generator)
        self.labels = ((self.tokens > 31).sum(1) > 6).long()

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, place):
        return {"input_ids": self.tokens[place], "labels": self.labels[place]}


def accuracy(predictions):
    return {"accuracy": float((predictions.predictions.argmax(1) == predictions.label_ids).mean())}


def make_model():
    config = BertConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=16)
    model = BertForSequenceClassification(config)
    if args.lora:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"]))
    return model


torch.manual_seed(0)
number = sum(args.site.encode())
trainer = Trainer(
    **({"model_init": make_model} if args.model_init else {"model": make_model()}),
    args=TrainingArguments(
        args.output,
        num_train_epochs=args.epochs,
        per_device_train_batch_size=8,
        learning_rate=1e-3,
        warmup_steps=5,
        eval_strategy="epoch",
        metric_for_best_model="loss",
        logging_steps=10,
        report_to=[],
        use_cpu=True,
    ),
    train_dataset=Sequences(96 + number % 7, number),
    eval_dataset=Sequences(40, number + 1000),
    compute_metrics=accuracy,
    callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
)
trainer.train()
print(trainer.evaluate())
trainer.save_model(args.output)
