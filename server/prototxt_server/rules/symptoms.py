"""What people see, and the rules that say why: the only place that connects the two.

From here come docs/symptoms.md, the section "Seen as" of each rule's page, and `lsp rule --symptom`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Symptom:
    """title: what is seen. also: other words for it. cause: what is behind it, and how to tell the causes apart.

    rules: their codes, likelier ones first; a prefix stands for all its rules.
    """

    title: str
    also: tuple[str, ...]
    cause: str
    rules: str

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes and prefixes of the rules, likelier ones first."""
        return tuple(self.rules.split())

    @property
    def anchor(self) -> str:
        """The name of its heading in docs/symptoms.md, as GitHub makes it."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


SYMPTOMS = (
    Symptom(
        "The loss stands at 87.3365",
        (
            "loss stuck at 87.3365",
            "loss = 87.34",
            "87.33654022",
            "-log(FLT_MIN)",
        ),
        "87.3365 is -ln(1.17549e-38), the largest loss that SoftmaxWithLoss can report for one example: the "
        "probability of the right class is 0 in float32. The scores are enormous. Most often a BatchNorm that was"
        " never trained uses its stored statistics, which are 0, and multiplies its input by 316; else the "
        "learning rate or the input is far too large. `lsp forward` names the layer where the numbers jump.",
        "BN010 DYN012 DYN020 DYN010 BN018 DYN031 DYN032 DAT001 SOL015 DYN021 INI003 DYN001 DYN023 DYN011",
    ),
    Symptom(
        "All outputs are zero after BatchNorm",
        (
            "BatchNorm top blob data: 0",
            "bnorm zero output",
            "batch norm layers output only zeros",
            "gamma is 0",
        ),
        "Its gamma is 0, or it sees one value a channel. NVIDIA Caffe 0.15 and SegNet start gamma at 0 unless a "
        "filler says 1; a Scale whose filler has no value does the same in every Caffe; and with one example on a"
        " 1x1 map the mean is the value itself.",
        "BN031 DYN003 BN022 DYN004 BN017 BN023 DYN002",
    ),
    Symptom(
        "A layer and all behind it put out zeros",
        (
            "activations are all zero",
            "dead network",
            "output blob always 0",
            "dead relu",
        ),
        "A layer without a weight filler starts with all weights 0, and a ReLU behind it then stops every "
        "gradient, so it stays so. `lsp forward` names the first such layer and how many channels are dead.",
        "INI001 INI002 DYN002 DYN006 DYN027 NET015 BN031 INI003 DYN013 DYN007",
    ),
    Symptom(
        "Accuracy drops after freezing layers",
        (
            "frozen layers change",
            "frozen branch drifts",
            "fixed weights still move",
            "freeze lr_mult 0 accuracy worse",
            "teacher network drifts",
        ),
        "lr_mult: 0 keeps weights, not statistics: a BatchNorm in a frozen part still normalises with each batch "
        "and overwrites its mean and variance. Other layers are frozen by half: a blob without a param block "
        "trains at lr_mult 1, and weight decay moves what only lost its gradient.",
        "FRZ001 DYN017 FRZ002 FRZ003 BN026 FRZ008 FRZ009 BN035 BN033 BN004 FRZ012 DYN034",
    ),
    Symptom(
        "Training goes well, testing is random",
        (
            "train fine, test random",
            "good training loss, bad test accuracy",
            "validation at chance level",
            "overfitting from the start",
            "test accuracy far below training accuracy",
        ),
        "TRAIN and TEST do not compute the same net: BatchNorm uses the batch in one and what is stored in the "
        "other, the layers of the two phases do not share their statistics, or the images are scaled differently."
        " The stored statistics themselves may be spoilt, by weight decay or by too small batches.",
        "BN011 BN013 BN015 BN016 BN033 BN004 DAT004 BN017 BN053 BN041 BN034 BN003 BN058 NET011 SHP026 BN030 "
        "DAT005 DYN015 DYN016 DYN026",
    ),
    Symptom(
        "Test accuracy is the same at every test",
        (
            "test accuracy constant",
            "accuracy does not change",
            "accuracy 0.1 for 10 classes",
            "same prediction for all images",
            "output independent of input",
        ),
        "Either nothing learns (no rate, everything frozen, no gradient), or the output does not depend on the "
        "input any more. `lsp forward --backward` tells which: DYN005 for the output, DYN028 for the gradient.",
        "DYN005 DYN028 SOL007 FRZ014 FRZ009 SOL005 INI002 BN031 BN010 LOS012 NET013 DYN022 DYN018 DYN008 DYN026",
    ),
    Symptom(
        "The loss does not move from ln K",
        (
            "loss stays at 2.3026",
            "loss stays at 6.9078",
            "loss 0.6931 does not decrease",
            "chance level",
            "loss not decreasing",
            "does not learn",
        ),
        "ln K is the loss of guessing among K classes: 2.3026 for ten, 6.9078 for a thousand. The scores are all "
        "equal or the gradient does not arrive.",
        "DYN022 INI001 INI002 INI003 DYN028 DYN030 DYN005 LOS001 LOS002 LOS003 SOL007 SOL005 FRZ014 DAT006 "
        "BN056 NET007 NET009 DYN013 INI012 LOS011 DYN029 DYN009 DYN014 DYN018",
    ),
    Symptom(
        "The loss becomes NaN after some iterations",
        (
            "NaN after n iterations",
            "loss = nan",
            "training diverges",
            "loss explodes",
            "gradient explosion",
            "inf",
        ),
        "The steps are too large for the gradients: a rate that is too high, a loss that is a sum over positions,"
        " images of 0 to 255. `lsp log` finds the first layer of the log that is not finite.",
        "DYN031 DYN032 DYN001 DYN010 SOL015 LOS007 DAT001 BN050 BN010 DYN012 INI004 INI005 DYN025 LOS004 BN032 "
        "LOG001 DYN033 DYN016",
    ),
    Symptom(
        "The loss is NaN or wrong at the first iteration",
        (
            "loss nan iteration 0",
            "loss too high at the start",
            "initial loss not ln K",
            "negative loss",
        ),
        "Before any step was taken only the initial values, the data and the labels can be at fault. Labels "
        "outside the number of outputs read foreign memory.",
        "DYN001 DYN025 LOS004 DYN020 DYN021 DYN024 DYN012 DYN010 DAT001 BN010 INI004 DYN023 DYN016",
    ),
    Symptom(
        "The test at iteration 0 is terrible, later ones are not",
        (
            "test loss 87 at iteration 0",
            "iteration 0 testing net loss huge",
        ),
        "A fresh BatchNorm has empty statistics, and the solver tests before it trains.",
        "BN018 BN010",
    ),
    Symptom(
        "Nothing changes while it trains",
        (
            "weights do not change",
            "learning rate is 0",
            "lr = 0",
            "training has no effect",
        ),
        "The rate is 0, from the start or after the first step, or every blob has lr_mult 0.",
        "SOL007 SOL005 FRZ009 FRZ014 NET013 SOL006 DYN028 NET015",
    ),
    Symptom(
        "A layer gets no gradient",
        (
            "param diff 0",
            "diff: 0 in debug_info",
            "[Backward] zero gradients",
            "gradients vanish",
            "vanishing gradient",
        ),
        "Something between it and the loss stops or does not send gradients.",
        "DYN028 DYN030 DYN034 FRZ003 BN031 INI002 NET015 FRZ013 DYN002 NET009 FRZ004 DYN009 DYN033 DYN007",
    ),
    Symptom(
        "Weights or statistics shrink although nothing trains them",
        (
            "weight decay on frozen layer",
            "batch norm statistics decay",
            "running mean shrinks",
        ),
        "Weight decay acts on every blob whose lr_mult and decay_mult are not 0, with or without a gradient.",
        "FRZ003 BN004 BN033 BN027 BN029",
    ),
    Symptom(
        "Predictions change from run to run, or with the rest of the batch",
        (
            "different output for the same image",
            "test results not reproducible",
            "result depends on batch size",
            "batch of one gives different result",
        ),
        "BatchNorm uses the batch in TEST, or something random is left on.",
        "BN011 BN041 DAT005 BN017 FRZ012 DYN015",
    ),
    Symptom(
        "The deployed net gives other answers than the tested one",
        (
            "deploy.prototxt different result",
            "python predictions wrong",
            "caffemodel gives different output",
        ),
        "The two files differ in more than their input, the images are prepared differently, or weights of "
        "another layout were loaded.",
        "BN013 DAT004 NET022 BN034 BN003 SHP027 BN016 DAT011 INI011 BN051",
    ),
    Symptom(
        "It works in one Caffe and not in another",
        (
            "fork differences",
            "nvidia caffe different from bvlc",
            "works in DIGITS but not in Caffe",
            "intel caffe",
            "segnet",
        ),
        "The forks read the same text differently, BatchNorm above all. `lsp dialects FILE` says which forks read"
        " a file and what rules the others out.",
        "SCH015 BN038 BN030 BN031 BN028 BN035 BN039 BN041 BN036 BN032 BN034 NET019 BN051 SCH010 BN037",
    ),
    Symptom(
        "Small batches train badly",
        (
            "batch size 1 batchnorm",
            "iter_size does not help",
            "accuracy depends on batch size in training",
        ),
        "BatchNorm estimates mean and variance from what is in one batch on one device; iter_size adds up "
        "gradients only.",
        "BN017 DYN004 SOL012 BN053 DYN014",
    ),
    Symptom(
        "Fine-tuning starts from random, or not from the weights",
        (
            "finetune accuracy starts at chance",
            "Ignoring source layer",
            "weights not loaded",
        ),
        "Caffe copies weights by layer name: a layer of another name starts afresh, and one of the same name must"
        " have the same shapes.",
        "INI011 SHP027 BN034 BN013 NET010",
    ),
    Symptom(
        "Error parsing text-format caffe.NetParameter",
        (
            "Message type has no field named",
            "Expected identifier",
            "Failed to parse NetParameter file",
            "parse error",
            "Unknown enumeration value",
            "Failed to parse SolverParameter file",
        ),
        "Protobuf reads the file before Caffe does, and stops at the first fault; its line and column are of the "
        "token after it. An unknown field is a slip, or one of another fork.",
        "SYN SCH001 SCH002 SCH007 BN038 SCH017",
    ),
    Symptom(
        "Unknown bottom blob, or blobs produced by multiple sources",
        (
            "Unknown bottom blob",
            "Top blob produced by multiple sources",
            "duplicate blobs",
        ),
        "The graph of the phase at hand lacks a blob, or has two layers that make it.",
        "NET002 NET020 NET003 NET022 NET018 NET005",
    ),
    Symptom(
        "Unknown layer type",
        (
            "Check failed: registry.count(type) == 1",
            "Unknown layer type (known types: ...)",
        ),
        "The type is misspelt, of the older form, or of a fork that this Caffe is not.",
        "SCH003 SCH012 SCH007 SCH006",
    ),
    Symptom(
        "Cannot configure batch normalization statistics as layer parameters",
        (
            "Check failed in batch_norm_layer.cpp",
            "Too many params specified for layer",
            "param lr_mult of BatchNorm",
        ),
        "The blobs of a BatchNorm are mean, variance and their weight, which nobody trains: a `param` block for them "
        "says lr_mult: 0, or is not written at all. Forks order the blobs otherwise.",
        "BN001 BN005 BN034 BN002 BN004",
    ),
    Symptom(
        "Check failed while the net is set up",
        (
            "Check failed: shape",
            "bottom[0]->shape mismatch",
            "Check failed: ExactNumBottomBlobs",
            "crash at setup",
        ),
        "A layer's own conditions on its parameters and on the shapes of its bottoms. `lsp describe` shows all "
        "shapes up to the layer that is refused.",
        "SHP NET006 NET012 FRZ010 FRZ011 BN001 BN005 INI006 INI007 DAT002 DAT003",
    ),
    Symptom(
        "Cannot copy param weights: shape mismatch",
        (
            "Cannot copy param 0 weights from layer",
            "Incompatible number of blobs for layer",
            "caffemodel does not fit",
        ),
        "The weights were made by another net, or by another version of the layer.",
        "SHP027 INI011 BN034 BN028 BN037 FRZ011",
    ),
    Symptom(
        "Caffe stops at the first iteration or the first update",
        (
            "aborts after loading",
            "Unknown learning rate policy",
            "Unknown solver type",
            "Check failed at solver",
            "NOT_IMPLEMENTED backward",
            "Syncedmem not initialized",
        ),
        "What only the solver or the first backward pass looks at.",
        "SOL004 SOL005 SOL008 SOL011 LOS008 FRZ005 BN042 SOL001 SOL002 SOL003 SOL013 SOL021",
    ),
    Symptom(
        "debug_info prints nothing",
        (
            "no [Forward] lines",
            "debug_info does not work",
        ),
        "It prints only in iterations that are displayed.",
        "SOL009",
    ),
)


def of_rule(code: str) -> tuple[Symptom, ...]:
    """The symptoms that lead to a rule by its own code."""
    return tuple(symptom for symptom in SYMPTOMS if code in symptom.codes)
