"""Faults of batch normalisation, of freezing and of starting values in a host's own layers."""

from __future__ import annotations

import re

from tests.server.own_faults import CLASSIFIERS, NORMALIZED, Absent, Blocks, fault

GLOBAL = "batch_norm_param { use_global_stats: true }"


def scale_after(net: Blocks, bn: int) -> int:
    """The Scale behind a BatchNorm."""
    return next(i for i in net.all("Scale") if i > bn)


@fault("BN003", hosts=NORMALIZED, dialect="ssd")
def shared_statistics(net: Blocks) -> int:
    norms = net.all("BatchNorm")
    names = "".join(f'  param {{ name: "{part}" lr_mult: 0 decay_mult: 0 }}\n' for part in "mvk")
    # two that stand behind equal numbers of channels: the last of a stage's blocks
    for at in norms[-2:]:
        net.add(at, names)
    return norms[-1]


@fault("BN013", hosts=NORMALIZED)
def twins_of_two_names(net: Blocks) -> int:
    at = net.middle("BatchNorm")
    twin = re.sub(r'name: "(.*)"', r'name: "\1_test"', net.blocks[at], count=1)
    net.add(at, "include { phase: TRAIN } batch_norm_param { use_global_stats: false }")
    net.blocks.insert(at + 1, twin)
    return net.add(at + 1, "include { phase: TEST } batch_norm_param { use_global_stats: true }")


@fault("BN014", hosts=NORMALIZED)
def twins_for_nothing(net: Blocks) -> int:
    at = net.middle("BatchNorm")
    net.blocks.insert(at + 1, net.blocks[at])
    net.add(at, "include { phase: TRAIN } batch_norm_param { use_global_stats: false }")
    return net.add(at + 1, "include { phase: TEST } batch_norm_param { use_global_stats: true }")


@fault("BN016", hosts=NORMALIZED)
def one_bn_learns_among_frozen_ones(net: Blocks) -> int:
    for type_ in ("Convolution", "Scale"):
        for at in net.all(type_):
            net.frozen(at)
    odd = net.middle("BatchNorm")
    for at in net.all("BatchNorm"):
        if at != odd:
            net.add(at, GLOBAL)
    return odd


@fault("BN017", hosts=("mobilenet", "densenet121"))
def batch_of_one(net: Blocks) -> int:
    for at in net.all("Data"):
        net.change(at, "crop_size: [0-9]+", "crop_size: 32")
        net.change(at, "batch_size: [0-9]+", "batch_size: 1")
    return net.all("BatchNorm")[-1]


@fault("BN020", hosts=NORMALIZED)
def without_scale(net: Blocks) -> int:
    at = net.middle("BatchNorm")
    del net.blocks[scale_after(net, at)]
    return at


@fault("BN025", hosts=NORMALIZED)
def relu_before_scale(net: Blocks) -> int:
    at = net.middle("BatchNorm")
    scale = scale_after(net, at)
    blob = net.value(scale, "bottom")
    net.put(scale, "ReLU", [blob], [blob])
    return scale + 1


@fault("BN036", "deploy", NORMALIZED, "nvidia-0.17")
def behind_a_full_layer(net: Blocks) -> int:
    at = net.all("InnerProduct")[-1]
    blob = net.value(at, "top")
    return net.put(at + 1, "BatchNorm", [blob], ["normed"])


@fault("BN037", hosts=CLASSIFIERS)
def of_one_axis(net: Blocks) -> int:
    return net.put(net.all("SoftmaxWithLoss")[-1], "BatchNorm", ["label"], ["normed"])


@fault("BN039", hosts=NORMALIZED, dialect="intel")
def params_that_fusion_moves(net: Blocks) -> int:
    at = scale_after(net, net.middle("BatchNorm"))
    net.add(at, "param { lr_mult: 1 decay_mult: 0 }")
    net.add(at, "param { lr_mult: 1 decay_mult: 0 }")
    return at - 1


@fault("BN055", hosts=NORMALIZED)
def bias_before_bn(net: Blocks) -> int:
    at = net.middle("BatchNorm")
    return net.change(net.writer(net.value(at, "bottom"), at), "^    bias_term: false\n|bias_term: false ", "")


@fault("BN056", hosts=CLASSIFIERS)
def before_the_loss(net: Blocks) -> int:
    loss = net.all("SoftmaxWithLoss")[-1]
    blob = net.value(loss, "bottom")
    return net.put(loss, "BatchNorm", [blob], [blob])


@fault("BN057", hosts=CLASSIFIERS)
def of_the_label(net: Blocks) -> int:
    return net.put(net.all("SoftmaxWithLoss")[-1], "BatchNorm", ["label"], ["normed"])


@fault("BN058", hosts=NORMALIZED)
def after_dropout(net: Blocks) -> int:
    at = net.middle("BatchNorm")
    blob = net.value(at, "bottom")
    net.put(at, "Dropout", [blob], [blob])
    return at + 1


@fault("BN059", hosts=NORMALIZED)
def after_another(net: Blocks) -> int:
    at = scale_after(net, net.middle("BatchNorm"))
    blob = net.value(at, "top")
    net.put(at + 1, "BatchNorm", [blob], [blob])
    net.put(at + 2, "BatchNorm", [blob], [blob])
    return at + 2


@fault("FRZ001", hosts=NORMALIZED)
def frozen_around_a_moving_bn(net: Blocks) -> int:
    at = net.middle("BatchNorm")
    net.frozen(net.writer(net.value(at, "bottom"), at))
    net.frozen(scale_after(net, at))
    return at


@fault("FRZ003")
def cut_below_the_classifier(net: Blocks) -> int:
    at = net.all("InnerProduct")[-1]
    net.add(at, "propagate_down: false")
    return net.all("Convolution")[-1]


@fault("FRZ006")
def cut_where_nothing_learns(net: Blocks) -> int:
    first, second = net.all("Convolution")[:2]
    for type_ in ("BatchNorm", "Scale"):
        try:
            for at in [i for i in net.all(type_) if i < second]:
                net.frozen(at) if type_ == "Scale" else net.add(at, GLOBAL)
        except Absent:
            continue
    net.frozen(first)
    return net.add(second, "propagate_down: false")


@fault("FRZ007", hosts=NORMALIZED)
def gradient_through_frozen_bn(net: Blocks) -> int:
    at = net.all("BatchNorm")[0]
    net.add(at, GLOBAL)
    net.frozen(scale_after(net, at))
    net.frozen(net.writer(net.value(at, "bottom"), at))
    return at


@fault("FRZ008", hosts=("alexnet", "vgg16", "googlenet", "squeezenet", "fcn8s"))
def decay_is_off_but_not_the_rate(net: Blocks) -> int:
    layers = net.all("Convolution")
    odd = layers[len(layers) // 2]
    for at in layers:
        net.frozen(at)
    return net.change(odd, "^(  param {) lr_mult: 0", r"\1", 2)


@fault("FRZ010")
def one_name_two_rates(net: Blocks) -> int:
    return _shared(net, "lr_mult: 1", "lr_mult: 3")


@fault("FRZ011")
def one_name_two_shapes(net: Blocks) -> int:
    return _shared(net, "lr_mult: 1", "lr_mult: 1")


def _shared(net: Blocks, first: str, second: str) -> int:
    layers = net.all("Convolution")
    net.change(layers[0], "^  param {[^}]*}", f'  param {{ name: "w" {first} }}')
    return net.change(layers[-1], "^  param {[^}]*}", f'  param {{ name: "w" {second} }}')


@fault("FRZ012", hosts=("alexnet", "vgg16", "fcn8s", "squeezenet"))
def dropout_between_frozen(net: Blocks) -> int:
    at = net.all("Dropout")[0]
    for type_ in ("Convolution", "InnerProduct"):
        for i in [i for i, block in enumerate(net.blocks) if f'type: "{type_}"' in block]:
            if i < at or net.blocks[i].count("conv10") or "fc7" in net.blocks[i]:
                net.frozen(i)
    return at


@fault("FRZ014")
def all_frozen(net: Blocks) -> int:
    for at, block in enumerate(net.blocks):
        if re.search('type: "(Convolution|InnerProduct|Scale)"', block):
            net.frozen(at)
    return net.all("SoftmaxWithLoss")[-1]


@fault("INI005", hosts=("lenet", "alexnet", "vgg16", "googlenet", "squeezenet"))
def tiny_gaussian(net: Blocks) -> int:
    at = net.middle("Convolution")
    return net.change(at, "weight_filler { .* }", 'weight_filler { type: "gaussian" std: 1e-5 }')


@fault("INI010", hosts=("lenet", "alexnet", "vgg16", "googlenet", "squeezenet"))
def bias_that_kills(net: Blocks) -> int:
    at = net.all("InnerProduct")[0] if "ip1" in "".join(net.blocks) else net.middle("Convolution")
    return net.change(at, "bias_filler { .* }", "bias_filler { value: -5 }")


@fault("INI012", hosts=("resnet50", "resnet101", "resnet152", "densenet121", "mobilenet"))
def deep_xavier(net: Blocks) -> int:
    kept = [b for b in net.blocks if not re.search('type: "(BatchNorm|Scale)"', b)]
    net.blocks[:] = [b.replace('"msra"', '"xavier"') for b in kept]
    return net.all("Convolution")[0]
