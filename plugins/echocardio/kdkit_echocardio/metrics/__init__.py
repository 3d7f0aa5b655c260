"""Metrics of left-ventricular segmentation over a clip.

A prediction is a probability, float32 (T, H, W), and binarised at :data:`kdkit_echocardio.geometry.THRESHOLD`. A
clip's truth may have these parts, each optional: ``mask`` uint8 0/1 (K, H, W) and ``mask_frames`` int64 (K,),
the frames that the masks belong to, one more than once where several people annotated it: the prediction is then
compared with each of them; ``ed`` and ``es`` int64, the frames of end-diastole and end-systole;
``ejection_fraction`` in percent. A metric does not count a clip that lacks what it needs.
"""
