"""Encoders by pool: what ffmpeg calls them, how it is told of a device, and what a device can do, by trying."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from odeion.adapters.ffmpeg.process import FfmpegFailed, run_ffmpeg
from odeion.application.transcoding.ports import GpuDevice
from odeion.domain.shared.errors import FieldError, Invalid, Unavailable
from odeion.domain.transcoding import VIDEO_CODECS, Capabilities, PoolKind

ENCODERS: dict[PoolKind, dict[str, str]] = {
    PoolKind.CPU: {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"},
    PoolKind.NVENC: {"h264": "h264_nvenc", "hevc": "hevc_nvenc", "av1": "av1_nvenc"},
    PoolKind.QSV: {"h264": "h264_qsv", "hevc": "hevc_qsv", "av1": "av1_qsv", "vp9": "vp9_qsv"},
    PoolKind.VAAPI: {"h264": "h264_vaapi", "hevc": "hevc_vaapi", "av1": "av1_vaapi", "vp9": "vp9_vaapi"},
}
_HWACCELS = {PoolKind.NVENC: "cuda", PoolKind.QSV: "qsv", PoolKind.VAAPI: "vaapi"}
_VENDORS = {"0x10de": "NVIDIA", "0x8086": "Intel", "0x1002": "AMD"}
_KINDS = {
    "NVIDIA": (PoolKind.NVENC,),
    "Intel": (PoolKind.QSV, PoolKind.VAAPI),
    "AMD": (PoolKind.VAAPI,),
}
_RENDER_NODES = Path("/dev/dri")
_DRM = Path("/sys/class/drm")
_NVIDIA = Path("/proc/driver/nvidia/gpus")

# Large enough for every encoder: some refuse less.
_TRIAL_SOURCE = "testsrc2=s=640x360:r=25"
_TRIAL_FRAMES = "10"
_TRIAL_LIMIT_S, _TRIAL_LIMIT_BYTES = 20.0, 8 << 20
_TONE_MAP_TRIAL = (
    f"{_TRIAL_SOURCE},format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,"
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable,zscale=t=bt709:m=bt709,"
    "format=yuv420p[out]"
)


def device_arguments(kind: PoolKind, device: str | None) -> list[str]:
    """What ffmpeg must know of a device before it opens anything."""
    match kind:
        case PoolKind.QSV:
            return ["-init_hw_device", f"qsv=hw,child_device={device}", "-filter_hw_device", "hw"]
        case PoolKind.VAAPI:
            return ["-init_hw_device", f"vaapi=hw:{device}", "-filter_hw_device", "hw"]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """With what a run encodes: the kind of pool and its device, and libx264's name of the effort. `hurries`: a viewer
    waits for the first pictures, so none is held back to be compared with later ones."""

    kind: PoolKind = PoolKind.CPU
    device: str | None = None
    preset: str = "veryfast"
    hurries: bool = False


# What shapes the parameter sets of H.264: an init segment has them before anything is encoded, and some players go by
# it alone. So they are the same whatever the effort, but for who is in a hurry, who has others of another number.
_SHAPE = "cabac=1:8x8dct=1:bframes=3:b-pyramid=normal:ref=1:weightp=1:weightb=1"
_HURRIED_SHAPE = "sps-id=1:cabac=0:8x8dct=0:ref=1:weightp=0:weightb=0"
# With these x264 lowers what it adds to the quality of colours, which is in a parameter set too.
_MORE_CHROMA = {"fast": 2, "medium": 2}


def encoder_arguments(
    encoder: Encoder, codec: str, *, bits_per_second: int, keyframe_frames: int, level: int
) -> list[str]:
    """`level` is ten times that of H.264 or HEVC. Even quality within a rate: the buffer holds one second. Keyframes
    come where they are forced, and at least every `keyframe_frames`."""
    rate = str(bits_per_second)
    bounded = ["-maxrate", rate, "-bufsize", rate, "-g", str(keyframe_frames)]
    name = ENCODERS[encoder.kind][codec]
    device = encoder_device_arguments(encoder.kind, encoder.device)
    hurry = ["-tune", "zerolatency"] if encoder.hurries else []
    match encoder.kind, codec:
        case PoolKind.CPU, "h264":
            quality = ["-preset", encoder.preset, "-profile:v", "high", "-crf", "20", "-sc_threshold", "0"]
            shape = _HURRIED_SHAPE if encoder.hurries else _SHAPE
            shape += f":chroma-qp-offset={_MORE_CHROMA.get(encoder.preset, 0)}"
            quality += [*hurry, "-x264-params", shape]
            return ["-c:v", name, *quality, "-level", f"{level / 10}", "-forced-idr", "1", *bounded]
        case PoolKind.CPU, "hevc":
            parameters = f"scenecut=0:open-gop=0:log-level=error:level-idc={level / 10}:high-tier=0"
            quality = ["-preset", encoder.preset, "-crf", "23", "-x265-params", parameters]
            return ["-c:v", name, *quality, *hurry, "-forced-idr", "1", *bounded]
        case PoolKind.CPU, "av1":
            # SVT-AV1 counts its presets the other way round; with a limit it wants quality and rate in one.
            effort = str(_AV1_PRESETS.get(encoder.preset, 10))
            return ["-c:v", name, "-preset", effort, "-crf", "32", "-maxrate", rate, "-g", str(keyframe_frames)]
        case PoolKind.CPU, "vp9":
            quality = ["-deadline", "realtime", "-cpu-used", "7", "-row-mt", "1", "-b:v", rate]
            return ["-c:v", name, *quality, *bounded]
        case PoolKind.NVENC, _:
            quality = ["-preset", "p4", "-rc", "vbr", "-cq", "23", "-b:v", "0", "-forced-idr", "1"]
            return ["-c:v", name, *device, *quality, *bounded]
        case PoolKind.QSV, _:
            quality = ["-preset", "veryfast", "-b:v", rate, "-forced_idr", "1"]
            return ["-c:v", name, *device, *quality, *bounded]
    return ["-c:v", name, *device, "-rc_mode", "VBR", "-b:v", rate, *bounded]


_AV1_PRESETS = {"ultrafast": 12, "superfast": 11, "veryfast": 10, "faster": 9, "fast": 8, "medium": 7}


def encoder_device_arguments(kind: PoolKind, device: str | None) -> list[str]:
    """What the encoder must know of its device."""
    return ["-gpu", str(device)] if kind is PoolKind.NVENC else []


def upload_filters(kind: PoolKind) -> str:
    """Brings pictures of 4:2:0 with 8 bits to where the encoder takes them from."""
    match kind:
        case PoolKind.QSV:
            return "format=nv12,hwupload=extra_hw_frames=64"
        case PoolKind.VAAPI:
            return "format=nv12,hwupload"
    return "format=yuv420p"


class FfmpegEncoderProbe:
    """Implements EncoderProbe with the bundled ffmpeg."""

    async def probe(self, kind: PoolKind, device: str | None) -> Capabilities:
        """Raises Invalid for what cannot be the name of such a device."""
        _check_device(kind, device)
        encoders: list[str] = []
        decoders: list[str] = []
        errors: dict[str, str] = {}
        for codec in VIDEO_CODECS:
            if codec not in ENCODERS[kind]:
                continue
            error = await _fails(_encode_trial(kind, device, codec))
            if error is None:
                encoders.append(codec)
            else:
                errors[codec] = error
        if kind is not PoolKind.CPU and encoders:
            for codec in VIDEO_CODECS:
                if await self._decodes(kind, device, codec):
                    decoders.append(codec)
        tone_maps = await _fails(["-filter_complex", _TONE_MAP_TRIAL, "-map", "[out]", "-frames:v", "1", *_RAW]) is None
        return Capabilities(encoders=tuple(encoders), decoders=tuple(decoders), tone_mapping=tone_maps, errors=errors)

    async def devices(self) -> list[GpuDevice]:
        return await asyncio.to_thread(_devices)

    async def _decodes(self, kind: PoolKind, device: str | None, codec: str) -> bool:
        """Whether a picture made by the CPU is decoded in hardware: one that stays there after decoding was."""
        accelerator = _HWACCELS[kind]
        try:
            sample = await run_ffmpeg(
                _encode_trial(PoolKind.CPU, None, codec), limit_s=_TRIAL_LIMIT_S, limit_bytes=_TRIAL_LIMIT_BYTES
            )
            await run_ffmpeg(
                [
                    *("-hwaccel", accelerator, "-hwaccel_device", str(device)),
                    *("-hwaccel_output_format", accelerator, "-protocol_whitelist", "pipe", "-f", "matroska"),
                    *("-i", "pipe:0", "-vf", "hwdownload,format=nv12", "-frames:v", "2", *_RAW),
                ],
                given=sample,
                limit_s=_TRIAL_LIMIT_S,
                limit_bytes=_TRIAL_LIMIT_BYTES,
            )
        except (FfmpegFailed, OSError):
            return False
        return True


_RAW = ("-f", "rawvideo", "pipe:1")


def _encode_trial(kind: PoolKind, device: str | None, codec: str) -> list[str]:
    return [
        *device_arguments(kind, device),
        *("-filter_complex", f"{_TRIAL_SOURCE},{upload_filters(kind)}[out]", "-map", "[out]"),
        *("-frames:v", _TRIAL_FRAMES, "-c:v", ENCODERS[kind][codec], *encoder_device_arguments(kind, device)),
        *("-f", "matroska", "pipe:1"),
    ]


async def _fails(arguments: list[str]) -> str | None:
    """Why a short run fails; None where it makes something."""
    try:
        output = await run_ffmpeg(arguments, limit_s=_TRIAL_LIMIT_S, limit_bytes=_TRIAL_LIMIT_BYTES)
    except (FfmpegFailed, OSError, Unavailable) as error:
        lines = str(error).strip().splitlines()
        return (lines[0] if lines else "it does not start")[:300]
    return None if output else "it makes nothing"


def _check_device(kind: PoolKind, device: str | None) -> None:
    """A device is one of a fixed form, so that nothing else gets into ffmpeg's arguments."""
    if device is None:
        return
    if kind is PoolKind.NVENC:
        fine = device.isascii() and device.isdigit() and len(device) <= 2
    else:
        path = Path(device)
        fine = path.parent == _RENDER_NODES and path.name.startswith("renderD") and path.name[7:].isdigit()
    if not fine:
        form = "the number of the GPU" if kind is PoolKind.NVENC else "/dev/dri/renderD128 or the like"
        raise Invalid("this is no device for such a pool", fields=[FieldError("body.device", form)])


def _devices() -> list[GpuDevice]:
    found = []
    for number, path in enumerate(sorted(_NVIDIA.glob("*"))):
        found.append(
            GpuDevice(
                vendor="NVIDIA",
                name=_nvidia_name(path),
                device=str(number),
                pci_address=path.name,
                kinds=(PoolKind.NVENC,),
            )
        )
    for node in sorted(_RENDER_NODES.glob("renderD*")):
        properties = _DRM / node.name / "device"
        vendor = _VENDORS.get(_read(properties / "vendor"), "unknown")
        if vendor == "NVIDIA":
            # Told of by its own driver above.
            continue
        found.append(
            GpuDevice(
                vendor=vendor,
                name=f"{vendor} {_read(properties / 'device')}".strip(),
                device=str(node),
                pci_address=properties.resolve().name if properties.exists() else None,
                kinds=_KINDS.get(vendor, (PoolKind.VAAPI,)),
            )
        )
    return found


def _nvidia_name(path: Path) -> str:
    for line in _read(path / "information").splitlines():
        label, _, value = line.partition(":")
        if label.strip() == "Model":
            return value.strip()
    return "NVIDIA GPU"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
