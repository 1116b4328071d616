"""Say in the window's words what hints say in the command line's."""

from __future__ import annotations

#: What hints say to who types, and what it is called for who clicks; the longer before what they begin with.
_CLICKED = {
    "give a mask (--mask FILE) or none (--mask none)": "choose a Labels layer or None under Mask",
    "Fit every voxel with --mask none, or give a mask (--mask FILE)": "Choose None or a Labels layer under Mask",
    "Give a brain mask (--mask FILE)": "Choose a brain mask under Mask",
    "where it is wrong, give a brain mask (--mask FILE)": (
        "where it is wrong, correct the layer of the proposed brain, and choose it under Mask"
    ),
    "Or leave the mask automatic (--mask auto)": "Or choose Automatic under Mask",
    "Leave the mask automatic (--mask auto), or give a mask (--mask FILE)": (
        "Leave the mask automatic, or choose a mask under Mask"
    ),
    "--bias-field off fits it as it is": "with the bias field off under Advanced it is fitted as it is",
    "or use --bias-field off where": "or choose off as the bias field under Advanced where",
    "Use --method gmm": "Choose the mixture gmm under Advanced",
    "Use --bias-field off or auto": "Choose off or auto as the bias field under Advanced",
    "or widen the mask (--mask none)": "or choose None under Mask",
    "Take a file that `finetune --save-model` wrote": "Take a model that was saved after fine-tuning",
    "Use --preset custom, which numbers": "Choose the preset Custom, which numbers",
    "--preset custom for what is no brain": "choose the preset Custom for what is no brain",
    "Choose one frame of each with --frame N": "Show one frame of each as a layer of its own",
    "Give its spacing (--spacing DZ DY DX)": "Give its layer a scale in mm",
    "Give the spacing (--spacing DY DX, or the layer's scale)": "Give the layer a scale in mm",
    "Run the command once for each case, or name the contrasts (--t1 A --t2 B)": (
        "Tick the images of one case only, or choose their contrasts beside them"
    ),
    "Add --resample to bring all to the first's grid": "Tick images on one grid only, or resample them first",
    "Name it if it is another (--contrast)": "Choose it beside the image if it is another",
    "Name the contrast (--contrast)": "Choose the contrast beside the image",
    "Give one: --region FILE or --mask FILE, --box Z0 Y0 X0 Z1 Y1 X1, or --disc Y X RADIUS, in voxels": (
        "Draw an ellipse in a Shapes layer, or paint in a Labels layer, and choose it under Region"
    ),
    "Use --recipe tuned, or --method deepsvg": "Choose the mixture deepsvg, or its recipe tuned",
    "Use --recipe tuned, which starts": "Choose the recipe tuned, which starts",
    "Use --means anchored or free, or --warm-steps 50": "Choose anchored or free class means, or 50 warm-up steps",
    "Use --means free or anchored with --mean-weight": "Choose free or anchored class means with a mean weight",
    "Use --gradient full with --mean-weight, or --means anchored without it": (
        "Choose the gradient full with a mean weight, or anchored class means without one"
    ),
    "Use --gradient full, or --method deepsvg": "Choose the gradient full, or the mixture deepsvg",
    "Use --means anchored or free, or --recipe tuned": "Choose class means anchored or free, or the recipe tuned",
    "Use --means free or anchored with --mean-weight, or leave it out": (
        "Choose class means free or anchored with a mean weight, or leave the weight empty"
    ),
    "Use --means fixed, or a diagonal covariance": "Choose class means fixed, or a diagonal covariance",
    "Lower the learning rate (--learning-rate)": "Lower the learning rate",
    "or a smaller network (--width, --depth)": "or a smaller width or depth of the network under Advanced",
    "--device cpu does so from the start": "with cpu as the device under Advanced it does so from the start",
    "Use --device cpu": "Choose cpu as the device under Advanced",
}


def in_window(hint: str) -> str:
    """Return a hint as it is followed in a dock.

    Parameters
    ----------
    hint : str
        As errors and findings have it.
    """
    for typed, clicked in _CLICKED.items():
        hint = hint.replace(typed, clicked)
    return hint
