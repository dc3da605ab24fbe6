"""What every setting brings and what it costs, for people who see it for the first time."""

from __future__ import annotations

from typing import NamedTuple


class Trade(NamedTuple):
    """``brings``: what more of it, or switching it on, is good for; ``costs``: what it takes, or risks."""

    brings: str
    costs: str


TRADES: dict[str, Trade] = {
    "lora.r": Trade(
        "More room for what is new to the model: facts and long formats want 32 or more; for a tone or labels 8 is enough.",
        "Adapter, optimiser and checkpoints grow in proportion; with few records a large rank learns them by heart.",
    ),
    "lora.lora_alpha": Trade(
        "A louder adapter: it weighs alpha / r beside the base. As large as r is a sound start, twice r a bold one.",
        "Works like a higher learning rate: far above r the loss jumps.",
    ),
    "lora.lora_dropout": Trade(
        "Leaves out a part of the adapter at random in each step, against learning by heart: 0.05 for few records.",
        "Slower and more memory, as inputs are kept twice; it takes a little longer to learn.",
    ),
    "lora.target_modules": Trade(
        "Every linear layer learns most; attention alone (q_proj,v_proj) gives a smaller adapter.",
        "Fewer layers save memory of adapter and optimiser, and reach a worse loss with the same rank.",
    ),
    "lora.use_rslora": Trade(
        "Large ranks are used fully, as their effect does not shrink with r.",
        "At the same alpha the adapter is louder: lower the learning rate when the loss jumps.",
    ),
    "lora.use_dora": Trade(
        "Learns length and direction of weights apart: often a little better at small ranks.",
        "About 26% slower, and more memory.",
    ),
    "quantisation.method": Trade(
        "nf4 holds the frozen base in 4 bits: about a quarter of the memory of 16 bits. none is exact, and faster where it fits.",
        "nf4 loses a trace of quality and computes slower, as weights are unpacked for every use.",
    ),
    "quantisation.double_quant": Trade(
        "Saves some 0.4 GiB with a base of 7 billion weights.", "Nothing worth naming: leave it on."
    ),
    "quantisation.compute_dtype": Trade(
        "16 bits are twice as fast as 32 on a GPU; bfloat16 never overflows.",
        "float16 can overflow on old GPUs; float32 takes twice the memory for activations.",
    ),
    "data.eval_fraction": Trade(
        "More held-out records make the score more certain, and show sooner when the model learns by heart.",
        "What is held out is not learnt; measuring takes longer.",
    ),
    "data.eval_max_records": Trade("A more certain score with very large datasets.", "Every evaluation takes longer."),
    "data.max_length": Trade(
        "A longer limit keeps long records whole.",
        "The longest record decides the memory: halving the limit about halves the activations, and what is longer is left out, "
        "cut or split.",
    ),
    "data.marks": Trade(
        "clean takes out the traces of other chat formats, which would otherwise be learnt as text.",
        "Where your texts are about such marks, clean removes what they are about.",
    ),
    "data.over_length": Trade(
        "split keeps all turns by cutting between them; truncate keeps the beginning.",
        "drop loses the record, truncate its end (often the answer); refuse does not start at all.",
    ),
    "data.split_seed": Trade(
        "Another number holds out other records; the same one makes runs comparable.",
        "Scores of runs with different held-out records cannot be compared.",
    ),
    "data.correction_repeats": Trade(
        "A corrected answer among hundreds of records is learnt when an epoch shows it several times; 4 is a sound start.",
        "Far more of it, and the model gives the corrected answer to questions that are only like it.",
    ),
    "training.objective": Trade(
        "sft teaches the answers as they are. Packages may bring others.",
        "Another objective may need data of another kind.",
    ),
    "training.epochs": Trade(
        "Seeing the data again teaches it better, above all when it is small.",
        "Time and price grow in proportion; after too many the model repeats the data and does worse on all else. Early stop "
        "watches for that.",
    ),
    "training.learning_rate": Trade(
        "Higher learns faster, and more of what is new.",
        "Too high and the loss jumps or the model forgets what it knew; too low and it learns little. Try half and twice: S.",
    ),
    "training.batch_size": Trade(
        "Larger batches make steadier steps, and are a little faster on a GPU.",
        "Fewer steps from the same data: with some hundred records take 2 to 8. It needs no more memory; the micro-batch does.",
    ),
    "training.micro_batch_size": Trade(
        "A fixed number fills a large GPU, or frees a small one.",
        "Memory of activations grows in proportion; too large ends with “out of memory”.",
    ),
    "training.max_steps": Trade(
        "A run of known length: 20 steps show within minutes whether all works.", "It counts, whatever the epochs say."
    ),
    "training.lr_scheduler_type": Trade(
        "cosine ends gently and suits most runs; constant suits runs that will be continued.",
        "constant leaves the last steps restless: the final loss is a little higher.",
    ),
    "training.warmup_ratio": Trade(
        "Small first steps keep the model from being thrown off at the beginning.",
        "Steps during warm-up teach less: much above 0.1 is wasted in a short run.",
    ),
    "training.weight_decay": Trade(
        "A pull towards zero, against learning by heart: 0.01 is common.", "Too much and the adapter learns little."
    ),
    "training.max_grad_norm": Trade(
        "One odd record cannot throw the model off.", "Very low values slow everything down; 0 removes the protection."
    ),
    "training.optim": Trade(
        "8-bit states take a quarter of the memory; paged ones move to the CPU when the GPU is full.",
        "8 bits need a GPU; paging slows down when it happens.",
    ),
    "training.packing": Trade(
        "No time is spent on padding: with records of unequal length twice as fast and more.",
        "None known: records in one row do not see each other.",
    ),
    "training.gradient_checkpointing": Trade(
        "Activations take a small part of the memory.", "About a third more time, as they are computed twice."
    ),
    "training.neftune_noise_alpha": Trade(
        "Noise on the inputs makes chats livelier: 5 is the usual value.", "Facts and strict formats suffer."
    ),
    "training.loraplus_lr_ratio": Trade(
        "The B matrices learn faster, and the run gets further in the same time.",
        "With 16 a learning rate that was right becomes too high: halve it.",
    ),
    "training.seed": Trade(
        "Another number shows how much of a difference is chance.", "Nothing; the same one makes a run repeatable."
    ),
    "training.save_steps": Trade(
        "The more often, the less is lost with a machine.", "Each takes a second or more, and disk while it is kept."
    ),
    "training.keep_checkpoints": Trade(
        "More states to go back to.", "Disk: each has the adapter and the state of its optimiser."
    ),
    "training.logging_steps": Trade("1 shows every step in the curve.", "Nothing worth naming."),
    "evaluation.eval_steps": Trade(
        "More points of the held-out curve; the best checkpoint is found more exactly.",
        "Measuring takes time, at most about a fifth of the run.",
    ),
    "evaluation.early_stopping_patience": Trade(
        "A run that no longer improves ends by itself, and saves its time.",
        "With too few evaluations, a run that pauses for a moment is ended too early.",
    ),
    "evaluation.sample_prompts": Trade(
        "More answers of base and tuned model to compare by eye.", "Writing them takes time, most of all on a CPU."
    ),
    "evaluation.max_new_tokens": Trade("Long answers are shown to their end.", "Writing takes time in proportion."),
    "machine.gpus": Trade(
        "Keeps a run to the GPUs that are yours.", "It waits until one of these is free, even where another would be."
    ),
    "machine.shared_gpu": Trade(
        "Begins at once on a GPU that somebody else uses, too.", "Both get slower, and either may run out of memory."
    ),
}
"""By the key of the setting; every setting is in it."""
