"""Faults of data, losses, connections, fields and shapes in a host's own layers."""

from __future__ import annotations

import re
from contextlib import suppress

from tests.server.own_faults import CLASSIFIERS, Absent, Blocks, fault

BRANCHING = ("googlenet", "squeezenet", "densenet121", "resnet50", "fcn8s")


@fault("DAT001")
def raw_pixels(net: Blocks) -> int:
    for at in net.all("Data"):
        net.change(at, "^  transform_param {.*\n|(mean_value|scale): [0-9.e-]+ ?", "", 9)
    return net.all("Data")[0]


@fault("DAT006")
def list_in_order(net: Blocks) -> int:
    at = net.all("Data")[0]
    net.change(at, '"Data"', '"ImageData"')
    return net.change(at, "data_param {.*}", 'image_data_param { source: "list.txt" batch_size: 16 }')


@fault("DAT007")
def no_batch_size(net: Blocks) -> int:
    return net.change(net.all("Data")[0], "batch_size: 16 ", "")


@fault("DAT010")
def hdf5_is_not_transformed(net: Blocks) -> int:
    at = net.all("Data")[0]
    net.change(at, '"Data"', '"HDF5Data"')
    return net.change(at, "^  data_param {.*}", '  hdf5_data_param { source: "list.txt" batch_size: 16 }')


@fault("LOS001")
def softmax_before_its_loss(net: Blocks) -> int:
    at = net.all("SoftmaxWithLoss")[-1]
    blob = net.value(at, "bottom")
    net.put(at, "Softmax", [blob], ["prob"])
    return net.change(at + 1, f'bottom: "{re.escape(blob)}"', 'bottom: "prob"')


@fault("LOS002")
def sigmoid_before_its_loss(net: Blocks) -> int:
    at = net.all("SoftmaxWithLoss")[-1]
    blob = net.value(at, "bottom")
    net.put(at, "Sigmoid", [blob], ["prob"])
    net.change(at + 1, f'bottom: "{re.escape(blob)}"', 'bottom: "prob"')
    return net.change(at + 1, "SoftmaxWithLoss", "SigmoidCrossEntropyLoss")


@fault("LOS003", hosts=CLASSIFIERS)
def relu_before_the_loss(net: Blocks) -> int:
    at = net.all("SoftmaxWithLoss")[-1]
    blob = net.value(at, "bottom")
    net.put(at, "ReLU", [blob], [blob])
    return at + 1


@fault("LOS007", hosts=("fcn8s",))
def sum_over_all_places(net: Blocks) -> int:
    at = net.all("SoftmaxWithLoss")[-1]
    with suppress(Absent):
        net.change(at, "^  loss_param {.*}\n", "")
    return net.add(at, "loss_param { normalization: NONE }")


@fault("LOS009", hosts=CLASSIFIERS)
def accuracy_in_training(net: Blocks) -> int:
    return net.change(net.all("Accuracy")[0], "^  include .*\n", "")


@fault("LOS011", hosts=CLASSIFIERS)
def squares_of_class_numbers(net: Blocks) -> int:
    return net.change(net.all("SoftmaxWithLoss")[-1], "SoftmaxWithLoss", "EuclideanLoss")


@fault("NET002")
def misspelt_bottom(net: Blocks) -> int:
    return net.change(net.middle("Convolution"), '^  bottom: "(.*)"', r'  bottom: "\1x"')


@fault("NET003")
def written_twice(net: Blocks) -> int:
    first, *_, second = net.all("Convolution")
    return net.change(second, "^  top: .*", f'  top: "{net.value(first, "top")}"')


@fault("NET004", "deploy")
def in_place_beside_a_reader(net: Blocks) -> int:
    at = net.all("Convolution")[-1]
    blob = net.value(at, "top")
    net.put(at + 1, "TanH", [blob], ["aside"])
    net.put(at + 2, "ReLU", [blob], [blob])
    return net.put(at + 3, "Sigmoid", [blob], ["late"]) - 1


@fault("NET005", "deploy", ("resnet50", "resnet101", "resnet152", "fcn8s"))
def sum_over_its_second_bottom(net: Blocks) -> int:
    at = net.middle("Eltwise")
    return net.change(at, "^  top: .*", f'  top: "{net.value(at, "bottom", 1)}"')


@fault("NET006")
def lrn_in_place(net: Blocks) -> int:
    at = net.middle("Convolution")
    blob = net.value(at, "top")
    return net.put(at + 1, "LRN", [blob], [blob])


@fault("NET007", phase="TRAIN", hosts=CLASSIFIERS)
def scale_over_what_sigmoid_needs(net: Blocks) -> int:
    at = net.middle("Convolution")
    blob = net.value(at, "top")
    net.change(at, "^  top: .*", '  top: "planted"')
    net.put(at + 1, "Sigmoid", ["planted"], [blob])
    return net.put(at + 2, "Scale", [blob], [blob])


@fault("NET008", "deploy")
def in_place_through_a_flatten(net: Blocks) -> int:
    at = net.middle("Convolution")
    blob = net.value(at, "top")
    net.put(at + 1, "Flatten", [blob], ["flat"])
    return net.put(at + 2, "ReLU", ["flat"], ["flat"])


@fault("NET010")
def two_of_one_name(net: Blocks) -> int:
    first, second = net.all("Convolution")[:2]
    return net.change(second, "^  name: .*", f'  name: "{net.value(first, "name")}"')


@fault("NET011")
def phase_that_filters_nothing(net: Blocks) -> int:
    return net.change(net.all("Data")[0], "^  include .*", "  phase: TRAIN")


@fault("NET014")
def unread_top(net: Blocks) -> int:
    at = net.middle("Convolution")
    return net.put(at, "Pooling", [net.value(at, "bottom")], ["unread"], "pooling_param { kernel_size: 1 }")


@fault("NET015")
def branch_without_loss(net: Blocks) -> int:
    at = net.middle("Convolution")
    more = 'convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "msra" } }'
    return net.put(at, "Convolution", [net.value(at, "bottom")], ["unread"], more)


@fault("NET018", "deploy", BRANCHING)
def name_of_a_split(net: Blocks) -> int:
    for at in net.all(""):
        for blob in re.findall('(?m)^  top: "(.*)"', net.blocks[at]):
            if blob not in re.findall('(?m)^  bottom: "(.*)"', net.blocks[at]):
                readers = sum(f'  bottom: "{blob}"' in block for block in net.blocks[at + 1 :])
                if readers > 1 and f'top: "{blob}"' not in "".join(net.blocks[at + 1 :]):
                    name = net.value(at, "name")
                    return net.put(len(net.blocks), "TanH", [blob], [f"{blob}_{name}_0_split_0"])
    raise Absent


@fault("NET019", "deploy", ("resnet50", "resnet101", "resnet152", "fcn8s"), "nvidia-0.17")
def sum_read_beside(net: Blocks) -> int:
    at = net.all("Eltwise")[0]
    net.put(at + 1, "Sigmoid", [net.value(at, "bottom")], ["aside"])
    return at


@fault("NET020", hosts=CLASSIFIERS)
def needs_a_layer_of_test(net: Blocks) -> int:
    at = net.all("Accuracy")[0]
    blob = net.value(at, "bottom")
    net.change(at, "^  include .*\n", "")
    net.change(at, f'bottom: "{re.escape(blob)}"', 'bottom: "prob"')
    net.put(at, "Softmax", [blob], ["prob"], "include { phase: TEST }")
    return at + 1


@fault("NET022", "deploy", CLASSIFIERS)
def loss_in_deploy(net: Blocks) -> int:
    at = net.all("Softmax")[-1]
    blob = net.value(at, "bottom")
    net.put(at, "Input", [], ["label"], "input_param { shape { dim: 16 } }")
    return net.put(at + 2, "SoftmaxWithLoss", [blob, "label"], ["loss"])


@fault("NET013", phase="TRAIN")
def no_loss(net: Blocks) -> int:
    net.blocks[:] = [block for block in net.blocks if not re.search('type: "(SoftmaxWithLoss|Accuracy)"', block)]
    return net.all("Data")[0]


@fault("SCH003")
def misspelt_type(net: Blocks) -> int:
    return net.change(net.middle("Convolution"), '"Convolution"', '"Convolutoin"')


V1 = {"InnerProduct": "INNER_PRODUCT", "ReLU": "RELU"}


@fault("SCH004", "deploy", ("lenet", "alexnet", "vgg16", "googlenet", "squeezenet"))
def the_old_form(net: Blocks) -> int:
    input_as_fields(net)
    for at in range(2, len(net.blocks)):
        net.change(at, "^layer", "layers")
        type_ = net.value(at, "type")
        net.change(at, f'"{type_}"', V1.get(type_, type_.upper()))
    return 2


@fault("SCH006", "deploy")
def one_old_block(net: Blocks) -> int:
    at = net.middle("Convolution")
    net.change(at, "^layer", "layers")
    return net.change(at, '"Convolution"', "CONVOLUTION")


@fault("SCH007", "deploy")
def old_rates(net: Blocks) -> int:
    return net.add(net.middle("Convolution"), "blobs_lr: 1")


@fault("SCH008", "deploy")
def input_as_fields(net: Blocks) -> int:
    at = net.all("Input")[0]
    dims = re.findall("dim: ([0-9]+)", net.blocks[at])
    net.blocks[at] = 'input: "data"\n' + "".join(f"input_dim: {dim}\n" for dim in dims)
    return at


@fault("SCH009", "deploy")
def three_dims(net: Blocks) -> int:
    at = input_as_fields(net)
    return net.change(at, "^input_dim: 3\n", "") if "input_dim: 3\n" in net.blocks[at] else net.change(
        at, "^input_dim: 1\n", ""
    )  # fmt: skip


@fault("SCH011")
def scale_among_the_database(net: Blocks) -> int:
    return net.change(net.all("Data")[0], "data_param { source", "data_param { scale: 0.5 source")


@fault("SCH012")
def no_type(net: Blocks) -> int:
    return net.change(net.middle("Convolution"), "^  type: .*\n", "")


@fault("SCH013")
def no_name(net: Blocks) -> int:
    return net.change(net.middle("Convolution"), "^  name: .*\n", "")


@fault("SHP001")
def loss_without_labels(net: Blocks) -> int:
    return net.change(net.all("SoftmaxWithLoss")[-1], '^  bottom: "label"\n', "")


@fault("SHP002")
def one_top_too_many(net: Blocks) -> int:
    return net.change(net.middle("Convolution"), "^(  top: .*\n)", r'\1  top: "more"' + "\n")


@fault("SHP007", "deploy")
def kernel_larger_than_the_map(net: Blocks) -> int:
    at = net.all("Convolution")[-1]
    return net.change(at, "kernel_size: [0-9]+", "kernel_size: 999")


@fault("SHP012", "deploy", ("googlenet", "squeezenet", "densenet121"))
def branches_of_two_sizes(net: Blocks) -> int:
    at = net.middle("Concat")
    writer = net.writer(net.value(at, "bottom", 1), at)
    net.change(writer - ("ReLU" in net.blocks[writer]), "kernel_size: [0-9]+", "kernel_size: 2")
    return at


@fault("SHP013", "deploy", ("resnet50", "resnet101", "resnet152", "fcn8s"))
def summands_of_two_widths(net: Blocks) -> int:
    at = net.middle("Eltwise")
    last = net.writer(net.value(at, "bottom", 1), at)
    while "num_output" not in net.blocks[last]:
        last -= 1
    net.change(last, "num_output: [0-9]+", "num_output: 7")
    return at


@fault("SHP017", "deploy", ("fcn8s",))
def crop_beyond_the_edge(net: Blocks) -> int:
    return net.change(net.middle("Crop"), "offset: [0-9]+", "offset: 999")


@fault("SHP020", hosts=CLASSIFIERS)
def scores_for_other_places(net: Blocks) -> int:
    at = net.all("SoftmaxWithLoss")[-1]
    first = net.all("Convolution")[0]
    return net.change(at, "^  bottom: .*", f'  bottom: "{net.value(first, "top")}"')


@fault("SHP025", hosts=CLASSIFIERS)
def pixels_of_two_sizes_into_weights(net: Blocks) -> int:
    at = net.all("InnerProduct")[0]
    net.change(at, "^  bottom: .*", '  bottom: "data"')
    net.change(net.all("Data")[1], "crop_size: [0-9]+", "crop_size: 96")
    return at


@fault("SHP026", hosts=("lenet", "alexnet", "vgg16", "googlenet"))
def maps_of_two_sizes_into_weights(net: Blocks) -> int:
    net.change(net.all("Data")[1], "crop_size: [0-9]+", "crop_size: 128")
    return net.all("InnerProduct")[0]
