"""What Caffe says when it stops: which rules speak of it, and what it means.

The first entry that matches counts. Names in braces are the groups of its expression. An entry without rules is about
the machine, the data or the weights: no text of the net is at fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERATOR = re.compile(r"\s*(==|>=|<=|!=|%|(?<!-)>(?!=)|<(?!=))\s*")


@dataclass(slots=True, frozen=True)
class Check:
    """pattern: of the message. A group `layer` names the layer at fault. rules: their codes, likelier ones first.

    early: Caffe checks this before it names the layer, so the one that it named last is not meant.
    """

    pattern: re.Pattern[str]
    rules: tuple[str, ...]
    says: str
    early: bool = False


def _check(pattern: str, rules: str, says: str, early: bool = False) -> Check:
    return Check(re.compile(pattern, re.IGNORECASE), tuple(rules.split()), says, early)


CHECKS = (
    # -- reading the text ------------------------------------------------------------------------------------------
    _check(
        r"has no field named \"(?P<field>[^\"]*)\"",
        "SCH001 SCH007 SCH009 BN038",
        "This Caffe knows no field '{field}' there: it is misspelt, in the wrong message, or of a fork.",
    ),
    _check(r"Unknown enumeration value", "SCH002", "The field takes other names only."),
    _check(r"Non-repeated field", "SYN011", "The field may be written once."),
    _check(r"is missing required fields", "SCH017", "Caffe insists on these fields."),
    _check(
        r"^(?:Expected|Invalid control|String literals|Integer out of range|Message type|Interpreting|Already|Illegal"
        r"|Unexpected|Need|Numeric|Missing)",
        "SYN SCH",
        "The parser stood here, at the token behind the one at fault.",
    ),
    _check(
        r"ReadProtoFromBinaryFile",
        "SHP027",
        "The file is no caffemodel or binaryproto, or it is cut off.",
    ),
    _check(
        r"Failed to parse (?:Net|Solver)Parameter file",
        "SYN SCH",
        "The text is no such message. protobuf printed the place just before, as line:column.",
    ),
    _check(r"includes both 'layer' and 'layers' fields", "SCH006", "A file is written in one of the two forms."),
    # -- the graph -------------------------------------------------------------------------------------------------
    _check(
        r"Unknown bottom blob '(?P<blob>[^']*)' \(layer '(?P<layer>[^']*)'",
        "NET002 NET020 NET022",
        "No layer above makes '{blob}' in that phase: it is misspelt, or its producer is for the other phase.",
    ),
    _check(
        r"Top blob '(?P<blob>[^']*)' produced by multiple sources",
        "NET003 NET004 NET005 NET018",
        "Two layers make '{blob}', or one works in place on it although another reads it as well.",
    ),
    _check(r"include rules or exclude rules", "NET001", "A layer may have one kind of rule.", early=True),
    _check(
        r"propagate_down param must be specified",
        "FRZ004",
        "It is written once for each bottom, or not at all; in a layer after the one that is named last.",
        early=True,
    ),
    _check(
        r"Too many params specified for layer (?P<layer>\S+)",
        "BN005 NET012",
        "The layer has fewer parameter blobs than `param` blocks.",
    ),
    _check(
        r"Cannot share param '(?P<name>[^']*)' owned by layer '(?P<owner>[^']*)' with layer '(?P<layer>[^']*)'; shape",
        "FRZ011",
        "The name '{name}' makes it share the parameter of '{owner}', which has another shape.",
    ),
    _check(
        r"Cannot share param '[^']*' owned by layer '[^']*' with layer '(?P<layer>[^']*)'; count",
        "FRZ011",
        "It shares a parameter of another size.",
    ),
    _check(r"[Ss]hared param '(?P<name>[^']*)' has mismatched (?:lr|decay)_mult", "FRZ010", "Sharers agree on it."),
    _check(r"loss_weight must be unspecified or specified once per top", "NET017 LOS008 SHP002", "Count the tops."),
    _check(r"Layer (?P<layer>\S+) has unknown engine", "SCH002 SHP009", "The engine is not of this layer type."),
    _check(
        r"CuDNN doesn't support the dilated \w+ at Layer (?P<layer>\S+)", "SHP009", "Write `engine: CAFFE` there."
    ),
    _check(r"Unknown V1LayerParameter layer type|Unknown layer name|Padding [Ll]ayer", "SCH005 SCH004", "An old form."),
    # -- layers ----------------------------------------------------------------------------------------------------
    _check(
        r"Unknown layer type:? *(?P<type>\S*) \(known types",
        "SCH012 SCH003 SCH006",
        "This Caffe has no layer type '{type}': it is misspelt, of a fork, or was left out of the build (Python).",
    ),
    _check(r"(?:ExactNum|Min|Max)BottomBlobs|EqualNumBottomTop", "SHP001", "Count the bottoms."),
    _check(r"(?:ExactNum|Min|Max)TopBlobs", "SHP002", "Count the tops."),
    _check(r"bottom\.size\(\) == top\.size\(\)", "SHP002 SHP001", "It makes one top from each bottom."),
    _check(r"does not allow in-place computation", "NET006", "Give its top a name of its own."),
    _check(
        r"Cannot configure batch normalization statistics as layer parameters",
        "BN001",
        "A BatchNorm's three statistics take lr_mult: 0, or no `param` at all.",
    ),
    _check(r"Filter size|Global_pooling|pad_[hw]_ < kernel|legacy accessors|Input must have 4 axes", "SHP010 SHP024 "
           "SHP008 BN036 BN037", "See the pooling parameters and the number of axes."),
    _check(r"pooling_param|pooling method", "SHP010", "See the pooling parameters."),
    _check(
        r"kernel_h & kernel_w|pad_h & pad_w|stride_h & stride_w",
        "SHP003 SHP004",
        "Those are for two spatial axes.",
    ),
    _check(r"kernel_size|[Ff]ilter dimensions|kernel_shape_data", "SHP003", "A convolution takes one way to say it."),
    _check(r"[Ss]tride|dilation_data|\bpad(?:_data)?\b", "SHP004", "Once, or once per spatial dimension."),
    _check(r"group_\)? == \(?0|multiples of group", "SHP006", "Channels in and out must be multiples of `group`."),
    _check(r"num_output_? > 0", "SHP005", "num_output is missing or 0."),
    _check(r"\(?shape\[i\]\)? >= \(?0|blob size exceeds INT_MAX|^Check failed: data_\s*$|height_out_ > 0|_shape.*> 0",
           "SHP007 SHP023 SHP010", "The blob shrinks to nothing, or is larger than Caffe can count."),
    _check(r"axis_index (?:<|>=)", "SHP008 LOS010 BN037 SHP024 SHP019", "An axis that the blob does not have."),
    _check(r"same shape, except at concat_axis|concat_dim|top_shape\[j\]|same #axes", "SHP012", "Compare the bottoms."),
    _check(r"Eltwise [Ll]ayer|eltwise_param", "SHP014", "One coefficient for each bottom, and for sums only."),
    _check(r"bottom\[0\]->shape\(\) == bottom\[i\]->shape\(\)|bottom\[i\]->shape\(\) == bottom\[0\]->shape\(\)",
           "SHP013 SHP012", "Its bottoms differ in shape."),
    _check(r"K_ == new_K|Input size incompatible", "SHP025 SHP026",
           "The layer was made for another size of input: the image, or the net before it, changed."),
    _check(r"slice_point|slice_dim|evenly divide input slice|slice_axis", "SHP015", "The parts do not fill the axis."),
    _check(r"inferred_axis_|explicit_count|count must match input count|new shape contains|end_axis = axis", "SHP016",
           "The new shape holds another number of values."),
    _check(r"the crop for dimension|crop_offset", "SHP017", "Its first bottom is smaller than the second."),
    _check(r"odd values for local_size", "SHP018", "local_size is odd."),
    _check(
        r"shape when applied starting with bottom|dimension mismatch between bottom|num_axes >= -1",
        "SHP019",
        "See axis and num_axes.",
    ),
    _check(
        r"Number of labels must match number of predictions|same first dimension|same number|outer_num_ \* inner_num_",
        "SHP020 SHP022 SHP021",
        "There must be one label for each prediction: compare the batch sizes and the shape of the labels.",
    ),
    _check(r"top_k_? <=", "SHP021", "There are fewer classes than top_k."),
    _check(
        r"Inputs must have the same dimension|bottom\[0\]->count\(\) == bottom\[1\]->count",
        "SHP022",
        "Its two bottoms differ in size.",
    ),
    _check(r"Unknown filler name: (?P<name>\S+)", "INI007", "Caffe has no filler '{name}'."),
    _check(r"shape.*bilinear|Filler must be (?:4|square)|Blob must be 4 dim", "INI006", "It wants square kernels."),
    _check(r"[Ss]parsity not supported", "INI008", "That filler takes no `sparse`."),
    _check(r"Must specify '\w+' once|shape and legacy fields|num_data_filler|num_shape", "SHP023 SHP002",
           "Once, or once for each top."),
    _check(r"num_output must be positive|input_dim must be positive", "SHP005", "See num_output and input_dim."),
    _check(r"infogain", "SHP024", "See the infogain matrix: source, or a third bottom."),
    _check(r"tiles", "SHP024", "See tiles."),
    _check(r"base must be strictly positive|log_base|base_scale_", "SHP024", "See base."),
    _check(r"force_color and force_gray", "DAT002", "One of the two."),
    _check(r"data_mean_", "DAT002", "The mean file has another size, or another number of channels, than the data."),
    _check(r"(?:datum|img|input)_(?:channels|height|width)", "DAT009",
           "The images have another size, or another number of channels, than the net was made for: see crop_size, "
           "force_color, and whether all images are alike."),
    _check(r"crop_size|mean_values?|channels.*mean|mean_file", "DAT009 DAT002 DAT003", "See transform_param."),
    _check(r"new_height.*new_width|new_width.*new_height", "DAT008", "Both sizes, or none."),
    _check(r"batch_size", "DAT007", "See batch_size."),
    _check(r"does not transform data", "DAT010", "Delete transform_param there."),
    # -- the solver ------------------------------------------------------------------------------------------------
    _check(r"Unknown learning rate policy", "SOL004", "See lr_policy."),
    _check(r"test_iter", "SOL002", "One test_iter for each test net."),
    _check(r"test_interval", "SOL003", "A test net needs it."),
    _check(r"(?:must|may|can) (?:contain|specify).*train_net|net specification|net_param.*train_net", "SOL001",
           "One of net, net_param, train_net and train_net_param."),
    _check(r"[Mm]omentum", "SOL008", "That solver has no momentum of this kind."),
    _check(r"Unknown regularization type", "SOL011", "See regularization_type."),
    _check(r"Unknown solver type", "SOL021 SOL013", "See type."),
    _check(r"snapshot_prefix|snapshot prefix|SerializeToOstream|to save (?:weights|solver state)", "SOL010",
           "The snapshot cannot be written: the folder must exist and be writable, and the disk not be full."),
    _check(r"history_size|Incorrect length of history", "", "The solverstate belongs to another net or solver type."),
    _check(r"stepsize\(\)|gamma\(\) >=", "SOL005", "The policy needs this parameter."),
    _check(r"test_state", "SOL002", "Once for each test net, or not at all."),
    _check(r"rms_decay|average_loss", "SOL008 SOL012", "See that field of the solver."),
    _check(r"old solver_type field|SolverParameter solver_type", "SOL013 SCH014", "`type` or `solver_type`, not both."),
    # -- while it runs ---------------------------------------------------------------------------------------------
    _check(
        r"cannot backpropagate to label inputs|Layer cannot backpropagate to",
        "FRZ005",
        "Something asks for a gradient of labels: propagate_down: true, force_backward, or a layer that learns there.",
    ),
    _check(
        r"Syncedmem not initialized",
        "BN033 SHP007",
        "The update reaches a blob that nothing ever wrote: in NVIDIA Caffe 0.15 that is BatchNorm's fifth blob "
        "without weight decay.",
    ),
    _check(
        r"Not Implemented Yet",
        "LOS008 SHP024",
        "This layer has no code for that: mostly a gradient that it cannot give, or one that exists for GPUs only.",
    ),
    _check(
        r"Cannot copy param \d+ weights from layer '(?P<layer>[^']*)'; shape mismatch\.\s+Source param shape is "
        r"(?P<have>.*?); target param shape is (?P<want>[^.]*)",
        "SHP027",
        "The weights hold {have}, the net wants {want}. Rename the layer to train it anew, or give it the size that "
        "the weights have.",
    ),
    _check(
        r"ShapeEquals\(proto\)|Incorrect (?:weight|bias) shape|Incorrect number of weight blobs"
        r"|slope size is inconsistent",
        "SHP027",
        "The weights have another shape than the layer: rename it to train it anew.",
    ),
    _check(
        r"Incompatible number of blobs for layer (?P<layer>\S+)",
        "SHP027 BN034 BN040",
        "The weights hold another number of parameter blobs: another fork's BatchNorm, or bias_term.",
    ),
    # -- the machine -----------------------------------------------------------------------------------------------
    _check(
        r"cudaSuccess.*out of memory",
        "",
        "The GPU's memory is full: reduce batch_size (of the TEST net as well), or see what else runs there. "
        "`lsp describe` shows the size of each blob.",
    ),
    _check(r"host allocation of size", "", "The machine's memory is full: reduce batch_size."),
    _check(
        r"cudaSuccess.*(?:invalid device ordinal|no CUDA-capable device)",
        "",
        "There is no such GPU: see device_id and --gpu.",
    ),
    _check(
        r"cudaSuccess.*(?:no kernel image|invalid device function)",
        "",
        "Caffe was compiled for other GPUs: add this one's architecture to CUDA_ARCH.",
    ),
    _check(r"cudaSuccess.*driver version", "", "The driver is older than CUDA: update the driver."),
    _check(
        r"cudaSuccess.*(?:illegal memory access|device-side assert|unspecified launch failure)",
        "DYN025 LOS004",
        "A kernel read outside its memory: most often a label that is not below the number of classes.",
    ),
    _check(
        r"CUDNN_STATUS_\w+",
        "",
        "cuDNN refuses: too little GPU memory, a cuDNN that does not fit CUDA or the GPU, or a size it does not take.",
    ),
    _check(r"CUBLAS_STATUS_\w+|CURAND_STATUS_\w+", "", "A CUDA library failed: mostly too little GPU memory."),
    _check(r"ncclSuccess|USE_NCCL|does not support CLI Multi-GPU", "", "Several GPUs: Caffe was built without NCCL, a "
           "GPU cannot reach another, or a Python layer takes part."),
    _check(r"label_value", "DYN025 LOS004", "A label is negative, or not below the number of classes."),
    _check(r"Failed to (?:find|get|read|load)\b.*dataset|HDF5 filename|datatype class|hdf_blobs_", "DAT010 DAT013",
           "The HDF5 file must hold a dataset of float numbers named like each top, all with the same first axis."),
    _check(r"cannot backprop|can't backpropagate", "FRZ005", "That bottom takes no gradient."),
    _check(
        r"sigma > 0|a <= b|p [<>]= [01]",
        "INI004 INI005",
        "A filler's range: min above max, std 0, or an unset size.",
    ),
    _check(r"Cannot use GPU in CPU-only Caffe", "", "This Caffe was built without CUDA: solver_mode: CPU."),
    _check(
        r"mdb_status == 0 \((?:2|13) vs\. 0\)|Failed to open leveldb|Fail(?:ed to open|ed opening) (?:HDF5|h5)",
        "DAT013 DAT014 DAT007",
        "The database is not there, or may not be read. Paths count from the folder in which caffe was started.",
    ),
    _check(
        r"File not found: |Failed to open (?:source|window) file|Couldn't open|Could not (?:open|find)",
        "DAT013 SOL020 SOL017",
        "A file is missing. Paths count from the folder in which caffe was started.",
    ),
    _check(
        r"std::equal\(top_shape",
        "",
        "An image of the data has another size, or another number of channels, than the net's input: resize_param, "
        "force_color or force_gray in the transform_param make them alike.",
    ),
    _check(r"File is empty|lines_\.empty|Could not load", "DAT013", "The list names no image that can be read."),
    _check(r"status == 0|mdb_status", "DAT013", "The database cannot be read."),
    _check(
        r"SIGFPE|Floating point exception",
        "SHP006 SHP004",
        "A division by 0: Caffe does not check group: 0 or a stride of 0.",
    ),
    _check(
        r"SIGSEGV|Segmentation fault",
        "DYN025 SHP023 LOS004",
        "It read memory that is not its own: often a label that is not below the number of classes, or a size that "
        "nobody gave.",
    ),
    _check(r"SIGTERM|SIGINT|SIGHUP|SIGKILL|Killed", "", "Something outside ended it, such as a full memory."),
    _check(
        r"(?:Import|ModuleNotFound)Error",
        "SHP024",
        "The module of a Python layer is not found: its folder must be on PYTHONPATH.",
    ),
    _check(r"error_already_set|(?:Error|Exception)\b", "SHP024", "That is a Python layer's own failure."),
    _check(r"bad_alloc", "", "The machine's memory is full: reduce batch_size."),
)  # fmt: skip


def meaning(message: str) -> tuple[Check, re.Match[str]] | None:
    """What a message means; None for one that is not known here."""
    spaced = _OPERATOR.sub(r" \1 ", message)  # people retype what their screen shows
    for check in CHECKS:
        found = check.pattern.search(message) or check.pattern.search(spaced)
        if found is not None:
            return check, found
    return None
