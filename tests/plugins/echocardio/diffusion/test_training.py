"""Training a diffusion source of one's own: what it learns from, what it learns to predict, and the whole command."""

import json
import signal
import time

import numpy as np
import pytest
import torch
import yaml
from kdkit_echocardio.diffusion.training import clips as reading
from kdkit_echocardio.diffusion.training.batches import Batches, LatentClips, LatentPictures, Pictures
from kdkit_echocardio.phantom import simulate
from lightning import LightningModule
from safetensors.torch import load_file

from kdkit import DataError
from kdkit.progress import Silence
from kdkit.runs.lock import hold

SHORT = [
    "autoencoder_steps=2",
    "sharpening_steps=2",
    "image_steps=2",
    "video_steps=2",
    "guidance_steps=2",
    "frames=4",
    "fps=15",
    "sample_every=2",
]
SMALL = ["autoencoder_batch=2", "image_batch=2", "video_batch=1", "sampling_steps=2", "image_sampling_steps=2"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three clips of EchoNet-Synthetic's layout, half a second each, with ejection fractions of 40, 50 and 60 %."""
    from kdkit_echocardio.clips.encode import write_mp4

    folder = tmp_path_factory.mktemp("recordings")
    (folder / "Videos").mkdir()
    rows = []
    for number in range(3):
        clip = simulate(np.random.default_rng(number), frames=16, fps=30.0)
        write_mp4(folder / "Videos" / f"sample_{number}.mp4", np.repeat(clip.frames[..., None], 3, axis=-1), 30.0)
        rows.append(f"sample_{number},{40 + 10 * number},TRAIN\n")
    (folder / "FileList.csv").write_text("FileName,EF,Split\n" + "".join(rows))
    return folder


NO_STARTS = np.zeros(5, np.int64)


def drawn(batch_of, step=0, seed=0, rank=0):
    return batch_of(np.random.default_rng([seed, step, rank]), step)


def latents(count=5, frames=16):
    return np.arange(count * frames * 4 * 2 * 2).reshape(count, frames, 4, 2, 2).astype(np.float16)


class TestClips:
    def test_labelled_fractions_and_the_frames_of_another_rate(self, recordings, tmp_path):
        read = reading.read_clips(recordings, tmp_path, frames=4, fps=15.0, most=9, progress=Silence())
        assert read.clips.shape[1:] == (4, 112, 112) and read.clips.dtype == np.uint8
        assert np.unique(read.fractions).tolist() == pytest.approx([0.4, 0.5, 0.6])

    def test_at_most_so_many_of_a_recording(self, recordings, tmp_path):
        assert len(reading.read_clips(recordings, tmp_path, 4, 15.0, 1, Silence()).clips) == 3

    def test_every_second_frame_at_half_the_rate(self):
        frames = np.arange(10, dtype=np.uint8)[:, None, None]
        (part,) = reading._parts(frames, 30.0, 5, 15.0, 9, [])
        assert part.ravel().tolist() == [0, 2, 4, 6, 8]

    def test_parts_begin_at_end_diastole_and_do_not_overlap(self):
        frames = np.arange(40, dtype=np.uint8)[:, None, None]
        parts = reading._parts(frames, 30.0, 10, 30.0, 9, [3, 11, 15, 28, 33])
        assert [part.ravel()[0] for part in parts] == [3, 15, 28]
        (only,) = reading._parts(frames[:20], 30.0, 10, 30.0, 9, [11, 15])
        assert only.ravel().tolist() == list(range(10))
        assert list(reading._parts(frames[:9], 30.0, 10, 30.0, 9, [0])) == []

    def test_what_was_read_is_read_from_the_folder_the_next_time(self, recordings, tmp_path):
        first = reading.read_clips(recordings, tmp_path, 4, 15.0, 1, Silence())
        again = reading.read_clips(tmp_path / "gone", tmp_path, 4, 15.0, 1, Silence())
        assert np.array_equal(first.clips, again.clips) and np.array_equal(first.fractions, again.fractions)

    def test_recordings_that_are_too_short_are_refused_with_the_length_needed(self, recordings, tmp_path):
        with pytest.raises(DataError, match=r"lasts 4\.3 s"):
            reading.read_clips(recordings, tmp_path, 64, 15.0, 1, Silence())

    def test_without_a_label_the_teacher_measures(self):
        clip = simulate(np.random.default_rng(9), frames=32, fps=32.0)
        measured, diastoles = reading.read_beats(clip.frames, 32.0)
        assert measured == pytest.approx(clip.ejection_fraction, abs=25)
        assert all(min(abs(frame - true) for true in clip.ed) <= 3 for frame in diastoles) and diastoles

    def test_a_still_clip_has_no_fraction(self):
        assert np.isnan(reading.read_beats(np.full((32, 112, 112), 40, np.uint8), 32.0)[0])

    @pytest.mark.parametrize(("percent", "kept"), [(50.0, 50.0), (3.0, 0.0), (99.0, 0.0), (float("nan"), 0.0)])
    def test_misread_fractions_are_left_out(self, percent, kept):
        assert reading._plausible(percent) == kept


class TestBatches:
    def test_a_step_is_the_same_whenever_it_is_asked_for_and_other_in_another_process(self):
        batch_of = LatentPictures(latents(), 8)

        def steps(start, rank=0):
            rows = iter(Batches(batch_of, 3, start, lambda: rank))
            return [next(rows)["latents"] for _ in range(3)]

        assert torch.equal(steps(0)[2], steps(2)[0])
        assert not torch.equal(steps(0)[0], steps(0, rank=1)[0])

    def test_pictures_are_frames_of_the_clips_and_half_of_them_are_mirrored(self):
        clip = np.zeros((1, 1, 2, 2), np.uint8)
        clip[..., 0] = 128
        pictures = drawn(Pictures(clip, 400))
        left = pictures[:, 0, 0, 0]
        assert set(left.tolist()) == {0.0, -1.0}
        assert 0.4 < (left == 0).float().mean() < 0.6

    def test_clips_are_neighbouring_frames_with_the_first_of_them_and_a_fraction_of_the_same_clip(self):
        batch = drawn(LatentClips(latents(), np.arange(5, dtype=np.float32) / 10 + 0.3, NO_STARTS, 200))
        owner = (batch["latents"][:, 0, 0, 0, 0] // 256).int()
        assert torch.equal(batch["latents"][:, 0], batch["picture"])
        assert (batch["latents"].diff(dim=1) == 16).all()
        known = batch["ejection_fraction"] > 0
        assert torch.allclose(batch["ejection_fraction"][known], owner[known] / 10 + 0.3)
        assert 0.03 < (~known).float().mean() < 0.2

    def test_shorter_clips_are_the_more(self):
        batch_of = LatentClips(latents(), np.full(5, 0.5), NO_STARTS, 2)
        shapes = [drawn(batch_of, step)["latents"].shape for step in range(8)]
        assert [shape[0] * shape[1] for shape in shapes] == [32] * 8
        assert [shape[1] < 16 for shape in shapes] == [False, True, False, True] * 2

    def test_half_of_the_batches_begin_at_end_diastole(self):
        batch_of = LatentClips(latents(), np.full(5, 0.5), np.array([0, 5, 2, 4, 0]), 8)
        for step in range(4):
            batch = drawn(batch_of, step)["latents"][:, :, 0, 0, 0]
            at_start = batch_of.starts[(batch[:, 0] // 256).int()] * 16 == (batch[:, 0] % 256).numpy()
            assert at_start.all() == (step < 2)
            assert batch.shape[1] >= (11, 5, 11, 3)[step]


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers", reason="the extra diffusion of kdkit-echocardio is not installed")


class TestDenoisers:
    def test_the_velocity_is_what_is_learned(self, diffusers):
        from kdkit_echocardio.diffusion.training.denoisers import DenoiserTraining

        scheduler = diffusers.DDPMScheduler(prediction_type="v_prediction")
        cumulative = scheduler.alphas_cumprod

        def right(network, noisy, steps, batch):
            # Latents are zero: all that is noisy is sigma * noise, and the velocity is alpha * noise.
            signal = cumulative[steps].view(-1, 1, 1, 1)
            return noisy * (signal / (1 - signal)).sqrt()

        def loss(denoise):
            module = DenoiserTraining(torch.nn.Linear(1, 1), scheduler, denoise, 10, 1e-3)
            return float(module.training_step({"latents": torch.zeros(32, 4, 8, 8)}, 0))

        assert loss(right) < 1e-8
        assert loss(lambda *given: 0.5 * right(*given)) > 0.01

    @pytest.mark.parametrize(("first", "moved"), [(1, 1.0), (100_000, 1 - 0.998**20)])
    def test_the_average_forgets_what_a_short_training_began_with(self, diffusers, first, moved):
        from kdkit_echocardio.diffusion.training.denoisers import follow

        average, current = [torch.zeros(1)], [torch.ones(1)]
        for count in range(first, first + 20):
            follow(average, current, torch.tensor(count))
        assert float(average[0]) == pytest.approx(moved, abs=1e-3)

    def test_the_picture_stands_beside_every_frame_and_the_fraction_is_the_one_token(self):
        from types import SimpleNamespace

        from kdkit_echocardio.diffusion.training.denoisers import denoise_video

        seen = {}

        class Network:
            config = SimpleNamespace(addition_time_embed_dim=1)

            def __call__(self, inputs, steps, **given):
                seen.update(given, inputs=inputs)
                return SimpleNamespace(sample=inputs[:, :, :4])

        noisy, picture = torch.zeros(2, 3, 4, 2, 2), torch.rand(2, 4, 2, 2)
        batch = {"picture": picture, "ejection_fraction": torch.tensor([0.4, 0.6])}
        denoise_video(Network(), noisy, torch.tensor([1, 2]), batch)
        assert seen["inputs"].shape == (2, 3, 8, 2, 2)
        assert all(torch.equal(seen["inputs"][:, frame, 4:], picture) for frame in range(3))
        assert seen["encoder_hidden_states"].shape == (2, 1, 1)
        assert seen["encoder_hidden_states"].flatten().tolist() == pytest.approx([0.4, 0.6])


class TestGuidance:
    """A network that answers with the ejection fraction it is given, scaled by a weight."""

    class Echo(torch.nn.Module):
        def __init__(self):
            super().__init__()
            from types import SimpleNamespace

            self.weight = torch.nn.Parameter(torch.tensor(1.0))
            self.config = SimpleNamespace(addition_time_embed_dim=1)

        def forward(self, inputs, steps, encoder_hidden_states, added_time_ids):
            from types import SimpleNamespace

            answer = self.weight * (encoder_hidden_states[..., None, None] + 0.3)
            return SimpleNamespace(sample=answer.expand_as(inputs[:, :, :4]))

    @pytest.fixture
    def module(self, diffusers):
        from kdkit_echocardio.diffusion.training.guidance import GuidanceTraining

        scheduler = diffusers.DDPMScheduler(prediction_type="v_prediction")
        return GuidanceTraining(self.Echo(), scheduler, 2.5, (0.2, 0.6), 10, 0.01)

    @pytest.fixture
    def batch(self):
        return {
            "latents": torch.zeros(64, 3, 4, 2, 2),
            "picture": torch.zeros(64, 4, 2, 2),
            "ejection_fraction": torch.full((64,), 0.4),
        }

    def test_what_is_learned_is_what_guidance_makes_of_the_network_as_it_was(self, module, batch):
        nothing = torch.zeros(64, 3, 4, 2, 2)
        with torch.no_grad():
            module.network.weight.fill_(9.0)
        target = module.target(nothing, nothing, torch.zeros(64, dtype=torch.long), batch)
        # 0.3 + 2.5 (0.7 - 0.3)
        assert torch.allclose(target, torch.tensor(1.3))

    def test_all_that_is_asked_later_is_learned_whatever_the_clips_own(self, module, batch):
        seen = []

        def denoise(network, noisy, steps, given):
            seen.append(given["ejection_fraction"])
            return noisy

        module.denoise = denoise
        module.training_step(batch, 0)
        (asked,) = seen
        assert 0.2 <= asked.min() < 0.25 and 0.55 < asked.max() <= 0.6

    def test_the_network_as_it_was_stays(self, module, batch):
        optimiser = module.configure_optimizers()["optimizer"]
        module.training_step(batch, 0).backward()
        optimiser.step()
        assert module.network.weight != 1 and module.before.weight == 1


class TestSharpening:
    @pytest.fixture
    def module(self, diffusers):
        from kdkit_echocardio.diffusion.models import build_autoencoder
        from kdkit_echocardio.diffusion.training.sharpening import SharpeningTraining

        torch.manual_seed(0)
        return SharpeningTraining(build_autoencoder(32), 10)

    def test_only_decoder_and_judge_learn(self, module):
        module.training_step(torch.rand(2, 1, 32, 32), 0).backward()
        learning = {
            name.split(".")[1] for name, p in module.named_parameters() if p.grad is not None and p.grad.any()
        }
        assert {"decoder", "post_quant_conv"} <= learning and not learning & {"encoder", "quant_conv"}
        assert any(p.grad.any() for p in module.judge.parameters())

    def test_the_judge_learns_to_tell_frames_from_what_is_restored(self, module):
        pictures = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        restored = module.network(pictures).sample.detach()
        optimiser = module.configure_optimizers()["optimizer"]

        def told_apart():
            return float((module.judge(pictures).mean() - module.judge(restored).mean()).detach())

        before = told_apart()
        for step in range(5):
            optimiser.zero_grad()
            module.training_step(pictures, step).backward()
            optimiser.step()
        assert told_apart() > before


def train(cli, recordings, out, *more):
    settings = [part for setting in (*SHORT, *SMALL) for part in ("--set", setting)]
    return cli("train-generator", "echo-diffusion", "--data", recordings, "--out", out, *settings, *more)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "source"


@pytest.mark.usefixtures("diffusers")
class TestCommand:
    def test_what_it_trains_is_a_source(self, cli, recordings, kept):
        from kdkit_echocardio.diffused import EchoDiffusion

        finished = train(cli, recordings, kept)
        assert finished.code == 0, finished.err
        assert f"--set generator.name=echo-diffusion --set generator.path={kept}" in finished.out
        (sample,) = EchoDiffusion(EchoDiffusion.Options(path=kept, frames=6, device="cpu")).generate([0])
        assert sample.inputs.shape == (6, 112, 112) and sample.info["fps"] == 15.0
        assert 40 <= float(sample.truth["ejection_fraction"]) <= 60
        pictures = sorted(path.name for path in (kept / "training").glob("*.png"))
        assert pictures == [
            f"{part}-000002.png" for part in ("autoencoder", "clips", "guided", "images", "sharpened")
        ]

    def test_clips_need_no_guidance_any_more(self, kept):
        assert yaml.safe_load((kept / "config.yaml").read_text())["sampling"]["guidance"] == 1.0

    def test_again_it_trains_nothing_that_is_done(self, cli, recordings, kept):
        checkpoints = {path: path.stat().st_mtime_ns for path in kept.rglob("*.ckpt")}
        weights = (kept / "lvdm" / "diffusion_pytorch_model.safetensors").read_bytes()
        assert train(cli, recordings, kept).code == 0
        assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.ckpt")} == checkpoints and checkpoints
        assert (kept / "lvdm" / "diffusion_pytorch_model.safetensors").read_bytes() == weights

    @pytest.mark.slow
    def test_another_training_goes_on_from_its_networks(self, cli, recordings, kept, tmp_path):
        chosen = (f"start={kept}", "autoencoder_steps=0", "sharpening_steps=0", "frames=5")
        begun = [part for setting in chosen for part in ("--set", setting)]
        finished = train(cli, recordings, tmp_path / "more", *begun)
        assert finished.code == 0, finished.err

        def weights(folder, name):
            return load_file(folder / name / "diffusion_pytorch_model.safetensors")

        for name, most in (("vae", 0.0), ("lidm_trained", 0.05), ("lvdm", 0.05)):
            before, after = weights(kept, name), weights(tmp_path / "more", name)
            changed = max(float((after[key] - before[key]).abs().max()) for key in before)
            assert changed <= most and (changed > 0) == (most > 0)
        assert json.loads((tmp_path / "more" / "lvdm" / "config.json").read_text())["num_frames"] == 5

    @pytest.mark.slow
    def test_networks_may_be_left_as_they_are(self, cli, recordings, kept, tmp_path):
        none = ("autoencoder_steps", "sharpening_steps", "image_steps", "video_steps", "guidance_steps")
        settings = [f"start={kept}", "guidance=3", *(f"{name}=0" for name in none)]
        finished = train(cli, recordings, tmp_path / "same", *(p for text in settings for p in ("--set", text)))
        assert finished.code == 0, finished.err
        for name in ("vae", "lidm_trained", "lvdm"):
            file = f"{name}/diffusion_pytorch_model.safetensors"
            assert (kept / file).read_bytes() == (tmp_path / "same" / file).read_bytes()
        told = yaml.safe_load((tmp_path / "same" / "config.yaml").read_text())
        assert told["sampling"]["guidance"] == 3.0

    @pytest.mark.parametrize("steps", ["autoencoder_steps", "image_steps", "video_steps"])
    def test_a_network_that_is_not_there_cannot_be_left_as_it_is(self, cli, recordings, tmp_path, steps):
        finished = train(cli, recordings, tmp_path / "out", "--set", f"{steps}=0")
        assert finished.code == 2 and "start is not set" in finished.err

    def test_networks_of_another_kind_are_no_start(self, cli, recordings, tmp_path):
        from kdkit_echocardio.diffusion.example import write_example

        foreign = write_example(tmp_path / "foreign", image_channels=3)
        finished = train(cli, recordings, tmp_path / "out", "--set", f"start={foreign}")
        assert finished.code == 1 and "train-generator" in finished.err and "Traceback" not in finished.err

    @pytest.mark.slow
    def test_other_options_are_refused_until_it_is_begun_anew(self, cli, recordings, kept):
        finished = train(cli, recordings, kept, "--seed", "1")
        assert finished.code == 2 and "--fresh" in finished.err and "Traceback" not in finished.err
        assert train(cli, recordings, kept, "--seed", "1", "--fresh").code == 0
        assert json.loads((kept / "training.json").read_text())["seed"] == 1


@pytest.mark.usefixtures("diffusers")
class TestTogether:
    """As several processes of a run: one writer, and everybody ends when one does."""

    @pytest.fixture
    def begun(self, process, recordings, tmp_path):
        """Start a training on two devices; returns both processes once the second one is there."""
        import psutil

        def start(*more):
            settings = [part for setting in (*SHORT, *SMALL) for part in ("--set", setting)]
            out = ("--data", recordings, "--out", tmp_path / "out")
            command = process("train-generator", "echo-diffusion", *out, *settings, "--devices", 2, *more)
            end = time.monotonic() + 200
            while time.monotonic() < end and command.poll() is None:
                if (tmp_path / "out" / ".ranks" / "1.json").exists():
                    (second,) = psutil.Process(command.pid).children()
                    return command, second
                time.sleep(0.05)
            raise AssertionError(command.communicate())

        return start

    @pytest.mark.slow
    def test_every_weight_that_is_trained_has_a_gradient_in_each_step(self, cli, recordings, tmp_path, monkeypatch):
        seen = {}

        def note(module):
            trained = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
            seen.setdefault(type(module).__name__, set()).update(n for n, w in trained.items() if w.grad is None)

        monkeypatch.setattr(LightningModule, "on_after_backward", note)
        assert train(cli, recordings, tmp_path / "out").code == 0
        # Several devices would wait for those of the others for ever.
        kinds = ("AutoencoderTraining", "SharpeningTraining", "DenoiserTraining", "GuidanceTraining")
        assert seen == {kind: set() for kind in kinds}

    @pytest.mark.slow
    def test_two_devices_train_one_source(self, begun, tmp_path):
        command, _ = begun()
        printed, output = command.communicate(timeout=400)
        assert command.returncode == 0, output
        assert printed.count("trained echo-diffusion") == 1 and "Traceback" not in output
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert "lvdm" in names and not names & {"lock.json", ".ranks"}

    @pytest.mark.slow
    @pytest.mark.parametrize("victim", [0, 1])
    def test_both_end_when_one_is_killed(self, begun, victim):
        import psutil

        command, second = begun("--set", "video_steps=100000")
        (command, second)[victim].send_signal(signal.SIGKILL)
        output = command.communicate(timeout=600)[1]
        assert not psutil.wait_procs([second], timeout=600)[1]
        assert command.returncode == (-signal.SIGKILL, 1)[victim]
        assert "Traceback" not in output and output.count("error: ") <= 1
        assert "was killed" in output or victim == 0

    def test_a_second_one_in_its_folder_is_refused(self, cli, recordings, tmp_path):
        with hold(tmp_path / "out"):
            finished = train(cli, recordings, tmp_path / "out")
        assert finished.code == 1 and "is being written by process" in finished.err


class TestRefused:
    def test_a_generator_that_cannot_be_trained(self, cli, recordings, tmp_path):
        finished = cli("train-generator", "phantom", "--data", recordings, "--out", tmp_path / "out")
        assert finished.code == 2 and "phantom" in finished.err and not (tmp_path / "out").exists()

    def test_every_wrong_option_at_once(self, cli, recordings, tmp_path):
        finished = train(cli, recordings, tmp_path / "out", "--set", "frames=1", "--set", "trainer.devices_=2")
        assert finished.code == 2 and "frames" in finished.err and "devices_" in finished.err
        assert not (tmp_path / "out").exists()

    def test_a_folder_with_something_else_in_it(self, cli, recordings, tmp_path):
        (tmp_path / "thesis.txt").write_text("mine")
        finished = train(cli, recordings, tmp_path)
        assert finished.code == 2 and "not empty" in finished.err
        assert (tmp_path / "thesis.txt").read_text() == "mine"

    def test_another_training_that_calls_its_record_the_same_is_not_deleted(self, cli, recordings, tmp_path):
        (tmp_path / "training.json").write_text('{"epochs": 3}')
        finished = train(cli, recordings, tmp_path, "--fresh")
        assert finished.code == 2 and "holds no training" in finished.err
        assert (tmp_path / "training.json").read_text() == '{"epochs": 3}'

    def test_after_the_wrong_data_the_right_data_needs_no_more_than_its_name(self, cli, recordings, tmp_path):
        (tmp_path / "empty").mkdir()
        assert train(cli, tmp_path / "empty", tmp_path / "out").code == 1
        too_long = ("--set", "frames=64")
        assert "lasts 4.3 s" in train(cli, recordings, tmp_path / "out", *too_long).err
        assert "other data" not in train(cli, tmp_path / "empty", tmp_path / "out").err

    def test_a_file_in_the_place_of_the_folder(self, cli, recordings, tmp_path):
        (tmp_path / "out").write_text("mine")
        finished = train(cli, recordings, tmp_path / "out")
        assert finished.code == 2 and "is a file" in finished.err

    def test_a_folder_inside_the_data(self, cli, recordings):
        assert train(cli, recordings, recordings / "out").code == 2
        assert not (recordings / "out").exists()

    def test_data_that_is_not_there(self, cli, tmp_path):
        finished = train(cli, tmp_path / "nowhere", tmp_path / "out")
        assert finished.code == 1 and "nowhere" in finished.err and not (tmp_path / "out").exists()


def test_a_training_that_was_cut_off_goes_on_to_the_same_end(tmp_path):
    import lightning
    from kdkit_echocardio.diffusion.training.fit import fit

    from kdkit import TrainingSession

    class Sum(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(3))
            self.seen = []

        def training_step(self, batch, index):
            self.seen.append(batch.tolist())
            loss = (self.weight - batch).square().sum()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.1)

    def trainer(callbacks, **more):
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        return lightning.Trainer(accelerator="cpu", devices=1, callbacks=callbacks, **quiet, **more)

    def run(trainer, module, batches, checkpoint):
        trainer.fit(module, batches, ckpt_path=checkpoint and str(checkpoint), weights_only=True)

    def trained(folder, steps):
        module = Sum()
        session = TrainingSession(7, Silence(), trainer, run)
        fit(module, lambda rng, step: torch.from_numpy(rng.random(3)).float(), steps, "sum", folder, session)
        return module

    whole = trained(tmp_path / "whole", 9)
    trained(tmp_path / "parts", 4)
    (tmp_path / "parts" / "step=5.ckpt").write_bytes(b"cut off in the middle")
    rest = trained(tmp_path / "parts", 9)
    assert rest.seen == whole.seen[4:]
    assert torch.equal(rest.weight, whole.weight)
