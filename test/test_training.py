# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Training: what is true of a pair, the losses, and a run that can be stopped and continued."""

import dataclasses
import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils._python_dispatch import TorchDispatchMode

from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.model import LoFTR
from loftr_vo.loftr.weights import load_weights
from loftr_vo.synthetic.pairs import PairGenerator
from loftr_vo.synthetic.textures import TextureBank
from training import trainer as trainer_module
from training import validation
from training.config import Stage, TrainingConfig
from training.curve import draw_curve
from training.head_trainer import HeadTrainer
from training.losses import (
    coarse_loss,
    fine_loss,
    spread_loss,
    unmatched_loss,
)
from training.pool import PairPool, mirrored, swapped
from training.supervision import (
    CELL,
    cells_around,
    estranged,
    supervise,
)
from training.trainer import (
    CHECKPOINT,
    LOG,
    WEIGHTS,
    RunningMean,
    Trainer,
)
from training.window_pool import WindowPool, Windows

SIZE = (48, 64)
TRAINING = Path(trainer_module.__file__).parent
ROWS, COLUMNS = SIZE[0] // CELL, SIZE[1] // CELL


@pytest.fixture(scope='module')
def pairs():
    return PairGenerator(TextureBank.random(6, 64, seed=1), seed=5).draw(8, SIZE)


def warp(pairs, b, source, x, y):
    """Return where a pixel of one picture of pair b lies in the other, and its depth there."""
    matrix, other = pairs.intrinsics[[source, 1 - source], b].double().numpy()
    motion = pairs.second_from_first[b].double().numpy()
    motion = motion if source == 0 else np.linalg.inv(motion)
    ray = np.linalg.inv(matrix) @ np.array([x, y, 1.0])
    point = motion[:3, :3] @ (ray * float(pairs.depths[source, b, y, x])) + motion[:3, 3]
    seen = other @ point
    return seen[:2] / seen[2], point[2]


def nearest_cell(position):
    """Return row and column of the cell a position belongs to; cell (i, j) is pixel (8 j, 8 i)."""
    column, row = np.round(np.asarray(position) / CELL).astype(int)
    return (row, column) if 0 <= row < ROWS and 0 <= column < COLUMNS else None


def test_true_matches_are_where_depth_and_pose_put_them(pairs):
    truth = supervise(pairs)
    checked = 0
    for b, cell in zip(*np.nonzero(truth.matched.numpy()), strict=True):
        row, column = divmod(int(cell), COLUMNS)
        position, depth = warp(pairs, b, 0, CELL * column, CELL * row)
        assert truth.position[b, cell].numpy() == pytest.approx(position, abs=0.02)
        partner = divmod(int(truth.partner[b, cell]), COLUMNS)
        assert partner == nearest_cell(position)
        # What the second picture shows there is as far away: nothing hides it.
        x, y = np.round(position).astype(int)
        around = pairs.depths[1, b, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert ((around / depth - 1).abs() < 0.15).any()
        back, _ = warp(pairs, b, 1, CELL * partner[1], CELL * partner[0])
        assert nearest_cell(back) == (row, column)
        checked += 1
    assert checked > 100


def test_each_cell_is_matched_at_most_once(pairs):
    truth = supervise(pairs)
    for matched, partner in zip(truth.matched, truth.partner, strict=True):
        taken = partner[matched].tolist()
        assert len(taken) == len(set(taken))


def test_what_leaves_the_picture_is_unmatchable_and_nothing_is_both(pairs):
    truth = supervise(pairs)
    assert not (truth.matched & truth.unmatchable).any()
    gone = 0
    for b in range(8):
        for cell in range(ROWS * COLUMNS):
            row, column = divmod(cell, COLUMNS)
            if pairs.moving[0, b, CELL * row, CELL * column]:
                assert not truth.unmatchable[b, cell] and not truth.matched[b, cell]
                continue
            (x, y), depth = warp(pairs, b, 0, CELL * column, CELL * row)
            if depth < 0.01 or not (-0.6 < x < SIZE[1] - 0.4 and -0.6 < y < SIZE[0] - 0.4):
                assert truth.unmatchable[b, cell]
                gone += 1
    assert gone > 20


def test_a_pair_that_does_not_move_matches_itself():
    pairs = PairGenerator(TextureBank.random(6, 64, seed=1), seed=5).draw(2, SIZE)
    still = dataclasses.replace(
        pairs,
        depths=pairs.depths[:1].expand(2, -1, -1, -1),
        moving=torch.zeros_like(pairs.moving),
        intrinsics=pairs.intrinsics[:1].expand(2, -1, -1, -1),
        second_from_first=torch.eye(4).expand(2, 4, 4),
    )
    truth = supervise(still)
    # The first row and column lie on the picture's very edge, where rounding decides.
    assert truth.matched.view(2, ROWS, COLUMNS)[:, 1:, 1:].all()
    cells = torch.arange(ROWS * COLUMNS).expand(2, -1)
    assert torch.equal(truth.partner[truth.matched], cells[truth.matched])


def dual_softmax(logits):
    return logits.log_softmax(dim=2) + logits.log_softmax(dim=1)


def test_coarse_loss_vanishes_for_certain_and_true_matches():
    partner = torch.tensor([[2, 0, 1]])
    matched = torch.ones(1, 3, dtype=torch.bool)
    right = 40.0 * torch.nn.functional.one_hot(partner, 3).float()
    wrong = 40.0 * torch.nn.functional.one_hot(partner.roll(1), 3).float()
    blank = torch.zeros(1, 3, 3)
    losses = [coarse_loss(dual_softmax(x), matched, partner).item() for x in (right, blank, wrong)]
    assert losses[0] == pytest.approx(0.0, abs=1e-6)
    assert losses[0] < losses[1] < losses[2]
    # By hand: 0.25 (1 - p)^2 (-log p), with p = 1/9 everywhere.
    assert losses[1] == pytest.approx(0.25 * (8 / 9) ** 2 * np.log(9), rel=1e-5)


def test_coarse_loss_raises_true_matches_and_ignores_the_rest():
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 4, requires_grad=True)
    partner = torch.tensor([[1, 0, 3, 2]])
    matched = torch.tensor([[True, True, False, False]])
    log_p = dual_softmax(logits)
    log_p.retain_grad()
    coarse_loss(log_p, matched, partner).backward()
    assert log_p.grad[0, 0, 1] < 0 and log_p.grad[0, 1, 0] < 0
    assert log_p.grad[0, 2:].abs().max() == 0
    assert logits.grad[0, 0, 1] < 0


def test_unmatched_loss_lowers_the_best_confidence():
    unmatchable = torch.tensor([[True, False]])
    log_p = torch.tensor([[[0.9, 0.05], [0.9, 0.05]]]).log().requires_grad_()
    loss = unmatched_loss(log_p, unmatchable)
    loss.backward()
    assert log_p.grad[0, 0, 0] > 0
    assert log_p.grad[0, 0, 1] == 0 and log_p.grad[0, 1].abs().max() == 0
    low = unmatched_loss(torch.full((1, 2, 2), 1e-4).log(), unmatchable)
    assert low < 1e-6 < loss
    assert torch.isfinite(unmatched_loss(torch.zeros(1, 2, 2), unmatchable))


def test_fine_loss_is_the_weighted_distance_within_the_window():
    target = torch.tensor([[0.1, 0.2], [-0.3, 0.4], [2.0, 2.0]])
    spread = torch.tensor([0.5, 0.25, 0.1], requires_grad=True)
    assert fine_loss(target, target, spread) == 0
    offset = (target + torch.tensor([[0.3, 0.0], [0.0, 0.4], [5.0, 5.0]])).requires_grad_()
    loss = fine_loss(offset, target, spread)
    # Weights 2 and 4 over their mean, 3; the third lies outside the window.
    assert loss.item() == pytest.approx((0.3 * 2 / 3 + 0.4 * 4 / 3) / 2, rel=0.06)
    loss.backward()
    assert offset.grad[0, 0] > 0 and offset.grad[1, 1] > 0
    assert offset.grad[2].abs().max() == 0
    # A spread that had a gradient would be learnt to be large wherever the loss is.
    assert spread.grad is None


def test_fine_loss_asks_for_the_median_and_not_for_the_mean():
    """One match in five is hopeless: the best common offset stays with the other four."""
    target = torch.tensor([[0.0, 0.0]] * 4 + [[0.9, 0.0]])
    places = torch.linspace(-0.2, 0.9, 111)
    losses = [
        fine_loss(torch.tensor([x, 0.0]).expand(5, 2), target, torch.ones(5)) for x in places
    ]
    assert places[int(torch.stack(losses).argmin())] == pytest.approx(0.0, abs=0.02)


def test_spread_loss_asks_for_the_expected_distance():
    distance = torch.tensor([0.1, 0.2, 0.3, 0.8])
    offset = torch.stack([distance, torch.zeros(4)], 1).requires_grad_()
    spreads = torch.linspace(0.05, 1.0, 96)
    losses = [spread_loss(offset, torch.zeros(4, 2), s.expand(4)) for s in spreads]
    assert spreads[int(torch.stack(losses).argmin())] == pytest.approx(0.35, abs=0.011)
    spread = torch.ones(4, requires_grad=True)
    spread_loss(offset, torch.zeros(4, 2), spread).backward()
    assert (spread.grad > 0).all()
    assert offset.grad is None


def test_losses_of_nothing_are_zero():
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    log_p = dual_softmax(torch.randn(1, 3, 3))
    assert coarse_loss(log_p, nothing, torch.zeros(1, 3, dtype=torch.long)) == 0
    assert unmatched_loss(log_p, nothing) == 0
    far = torch.full((4, 2), 3.0)
    assert fine_loss(torch.zeros(4, 2), far, torch.ones(4)) == 0
    assert spread_loss(torch.zeros(4, 2), far, torch.ones(4)) == 0


def test_learning_rate_rises_stays_and_falls():
    config = TrainingConfig(
        steps=100,
        stages=(Stage(0.6, ((1, 48, 64), (2, 48, 80))), Stage(0.4, ((1, 96, 128),))),
        learning_rate=1.0,
        warmup_steps=10,
        cooldown=0.2,
    )
    rates = [config.learning_rate_at(step, config.progress(step)) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:80] == pytest.approx([1.0] * 71)
    assert np.all(np.diff(rates[80:]) < 0)
    assert 0 < rates[-1] < 0.02
    assert config.shape_at(58, config.progress(58)) == (1, 48, 64)
    assert config.shape_at(59, config.progress(59)) == (2, 48, 80)
    assert config.shape_at(60, config.progress(60)) == (1, 96, 128)


def test_a_run_of_hours_is_a_shorter_run_and_not_one_cut_off():
    config = TrainingConfig(steps=1000, hours=1.0, learning_rate=1.0, warmup_steps=1, cooldown=0.5)
    assert config.progress(10, seconds=1800) == pytest.approx(0.5)
    assert config.progress(900, seconds=1800) == pytest.approx(0.9)
    assert config.progress(10, seconds=4000) == 1.0
    halfway_down = config.learning_rate_at(10, config.progress(10, seconds=2700))
    assert halfway_down == pytest.approx(0.5)


def test_config_comes_from_yaml_and_refuses_what_does_not_fit(tmp_path):
    path = tmp_path / 'run.yaml'
    path.write_text(
        'model: {threshold: 0.3}\nsteps: 3\n'
        'stages: [{share: 0.5, shapes: [[2, 48, 64]]}, {share: 0.5, shapes: [[1, 96, 128]]}]\n'
    )
    config = TrainingConfig.from_yaml(path)
    assert config.model == dataclasses.replace(LoFTRConfig.compact(), threshold=0.3)
    assert config.stages == (Stage(0.5, ((2, 48, 64),)), Stage(0.5, ((1, 96, 128),)))
    for text, message in (
        ('learning_rat: 1.0', r"unknown fields \['learning_rat'\]"),
        ('stages: [{share: 0.5, shapes: [[2, 48, 64]]}]', 'sum to 1'),
        ('stages: [{share: 1.0, shapes: [[2, 50, 64]]}]', 'multiples of 8'),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            TrainingConfig.from_yaml(path)


@pytest.mark.parametrize('path', sorted(TRAINING.glob('*.yaml')), ids=lambda path: path.name)
def test_the_configs_in_the_package_can_be_read(path):
    config = TrainingConfig.from_yaml(path)
    assert config.model.block_dims == LoFTRConfig.compact().block_dims


@pytest.fixture
def quick_validation(monkeypatch):
    monkeypatch.setattr(trainer_module, 'validate', lambda model, device: {'recall': 0.5})


def tiny(steps, **changes):
    values = {
        'steps': steps,
        'stages': (Stage(1.0, ((1, *SIZE),)),),
        'warmup_steps': 2,
        'cooldown': 0.0,
        'fine_matches': 16,
        'textures': 4,
        'texture_size': 64,
        'checkpoint_every': 2,
        'validate_every': 4,
        'threads': 1,
    }
    return TrainingConfig(**{**values, **changes})


def test_training_lowers_the_loss_on_a_pair_that_stays(tmp_path, quick_validation):
    trainer = Trainer(tiny(30), tmp_path)
    fixed = trainer.pairs.draw(1, SIZE)
    trainer.pairs.draw = lambda *_: fixed
    losses = []
    step = trainer._train_step
    trainer._train_step = lambda: losses.append(step()) or losses[-1]
    trainer.run()
    coarse = [entry['coarse'] for entry in losses]
    assert np.mean(coarse[-5:]) < 0.7 * np.mean(coarse[:5])


def test_a_run_goes_on_where_it_stopped(tmp_path, quick_validation):
    Trainer(tiny(4), tmp_path).run()
    saved = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert saved['step'] == 4

    resumed = Trainer(tiny(6), tmp_path)
    assert resumed.step == 4
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, saved['model'][name]), name
    moments = resumed.optimizer.state_dict()['state']
    assert torch.equal(moments[0]['exp_avg'], saved['optimizer']['state'][0]['exp_avg'])
    resumed.run()
    assert resumed.step == 6
    log = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [entry['step'] for entry in log] == [4, 6]
    after = torch.load(tmp_path / CHECKPOINT, weights_only=True)['model']
    assert any(not torch.equal(after[name], saved['model'][name]) for name in after)


def test_an_interrupted_run_goes_on_from_its_last_checkpoint(tmp_path, quick_validation):
    trainer = Trainer(tiny(6), tmp_path)
    step = trainer._train_step

    def interrupted():
        if trainer.step == 3:
            raise KeyboardInterrupt
        return step()

    trainer._train_step = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    resumed = Trainer(tiny(6), tmp_path)
    assert resumed.step == 2
    assert 0 < resumed.seconds <= trainer.seconds
    resumed.run()
    log = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [entry['step'] for entry in log] == [4, 6]
    assert log[0]['hours'] <= log[1]['hours']


def test_a_run_ends_when_its_time_is_over(tmp_path, quick_validation):
    trainer = Trainer(tiny(10_000, hours=1e-4), tmp_path)
    trainer.run()
    assert 0 < trainer.step < 100
    assert (tmp_path / WEIGHTS).exists()


def test_painting_the_textures_is_part_of_the_time(tmp_path, quick_validation, monkeypatch):
    paint = TextureBank.random

    def slowly(*arguments, **options):
        time.sleep(0.4)
        return paint(*arguments, **options)

    monkeypatch.setattr(TextureBank, 'random', slowly)
    trainer = Trainer(tiny(10_000, hours=1e-4), tmp_path)
    trainer.run()
    assert trainer.step == 1


class Waits(TorchDispatchMode):
    """Notes what would make the host wait for a GPU: numbers read from it or sent to it."""

    KINDS = frozenset(
        {
            'aten::_local_scalar_dense',
            'aten::_linalg_check_errors',
            'aten::lift_fresh',
            'aten::linalg_matrix_exp',
            'aten::masked_select',
            'aten::nonzero',
        }
    )

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if (name := function._schema.name) in self.KINDS:
            self.found.append(name)
        elif name == 'aten::index' and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        ):
            self.found.append('a mask as an index')
        return function(*args, **(kwargs or {}))


def test_waits_are_noticed():
    with Waits() as waits:
        values = torch.ones(3)
        _ = values[values > 0], torch.tensor([1.0]), values.sum().item()
        torch.linalg.inv(torch.eye(2))
    assert {'a mask as an index', 'aten::lift_fresh', 'aten::_local_scalar_dense'} <= {
        *waits.found
    }
    assert 'aten::_linalg_check_errors' in waits.found


def test_nothing_waits_between_the_draw_and_the_gradient(tmp_path):
    """So that a GPU has the next kernels before it is done with these."""
    trainer = Trainer(tiny(2), tmp_path)
    trainer._train_step()  # constants are sent once
    with Waits() as waits:
        pairs = trainer.pairs.draw(2, SIZE)
        pairs, truth = estranged(pairs, supervise(pairs))
        terms = trainer._loss_terms(pairs.images, truth, *trainer._fine_choice(truth))
        (terms.coarse + terms.unmatched + terms.fine).backward()
    assert waits.found == []


def test_the_running_mean_is_that_of_torch():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3))
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.7), use_buffers=True)
    ours = RunningMean(model, 0.7)
    for _ in range(4):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(2, 1, 8, 8))
        theirs.update_parameters(model)
        ours.update_parameters(model)
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    # A running mean of a count of batches is cut off to a whole number; ours has the count itself.
    assert ours.state_dict()['module.1.num_batches_tracked'] == 4
    for name in expected.keys() - {'module.1.num_batches_tracked'}:
        assert torch.equal(ours.state_dict()[name], expected[name]), name


@pytest.mark.parametrize('averaging', [0.0, 0.6])
def test_what_is_written_out_is_the_running_mean(tmp_path, quick_validation, averaging):
    trainer = Trainer(tiny(5, averaging=averaging), tmp_path)
    name = 'loftr_fine.layers.0.q_proj.weight'
    step, mean = trainer._train_step, None

    def followed():
        nonlocal mean
        losses = step()
        weight = trainer.model.state_dict()[name].clone()
        mean = weight if mean is None else averaging * mean + (1 - averaging) * weight
        return losses

    trainer._train_step = followed
    trainer.run()
    written = torch.load(tmp_path / WEIGHTS, weights_only=True)['state_dict']
    assert torch.allclose(written[name], mean, atol=1e-6)
    assert torch.equal(written[name], trainer.model.state_dict()[name]) == (averaging == 0)
    assert written.keys() == trainer.model.state_dict().keys()
    resumed = Trainer(tiny(5, averaging=averaging), tmp_path)
    assert torch.equal(resumed.averaged.module.state_dict()[name], written[name])


def test_a_run_may_start_from_weights(tmp_path, quick_validation):
    trainer = Trainer(tiny(2, start_from='compact'), tmp_path)
    shipped = load_weights('compact')
    for name, value in shipped.state_dict().items():
        assert torch.equal(trainer.model.state_dict()[name], value), name
    assert trainer.model.training
    assert all(parameter.requires_grad for parameter in trainer.model.parameters())


def test_places_near_a_border_are_looked_for_in_either_cell():
    at = torch.tensor([[[12.2, 8.0], [16.0, 8.0]]]).repeat(1, 400, 1)
    exact = cells_around(at, 0.0, *SIZE)[0]
    assert exact[::2].unique().tolist() == [COLUMNS + 2]
    around = cells_around(at, 0.7, *SIZE)[0]
    assert set(around[::2].tolist()) == {COLUMNS + 1, COLUMNS + 2}
    assert 0.2 < (around[::2] == COLUMNS + 1).float().mean() < 0.6
    assert set(around[1::2].tolist()) == {COLUMNS + 2}


def test_the_fine_stage_can_be_trained_alone(tmp_path, quick_validation):
    config = tiny(
        3, start_from='compact', trained='fine', fine_jitter=0.5, spread_weight=0.1, averaging=0.5
    )
    trainer = Trainer(config, tmp_path)
    before = load_weights('compact')
    trainer.run()
    after = load_weights(tmp_path / WEIGHTS)
    trained = {
        name.split('.')[0] if not name.startswith('backbone') else '.'.join(name.split('.')[:2])
        for name, value in after.state_dict().items()
        if name not in before.state_dict() or not torch.equal(value, before.state_dict()[name])
    }
    assert trained == {
        'backbone.layer1_outconv',
        'backbone.layer1_outconv2',
        'fine_preprocess',
        'loftr_fine',
        'correlation_head',
    }
    images = PairGenerator(TextureBank.random(6, 64, seed=1), seed=5).draw(1, (96, 128)).images
    with torch.inference_mode():
        found = [model(*images) for model in (before, after)]
    for name in ('cells0', 'cells1', 'confidence', 'valid'):
        assert torch.equal(getattr(found[0], name), getattr(found[1], name)), name
    assert found[0].valid.any()


@pytest.mark.parametrize('trained', ['fine', 'head'])
def test_what_is_not_trained_is_kept_in_random_weights_too(tmp_path, trained):
    model = Trainer(tiny(1, trained=trained), tmp_path).model
    assert not model.training
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert any(name.startswith('correlation_head') for name in learning)
    assert not [name for name in learning if name.startswith(('loftr_coarse', 'backbone.conv1'))]


def test_a_head_is_given_to_weights_that_have_none(tmp_path, quick_validation):
    plain = LoFTR(dataclasses.replace(LoFTRConfig.compact(), correlation_hidden=0)).eval()
    weights = tmp_path / 'plain.pt'
    torch.save({'config': plain.config.to_dict(), 'state_dict': plain.state_dict()}, weights)
    model = Trainer(tiny(2, start_from=str(weights)), tmp_path / 'run').model.eval()
    assert model.correlation_head is not None
    images = torch.rand(2, 1, 1, 96, 128)
    with torch.no_grad():
        before, after = plain(*images), model(*images)
    assert torch.allclose(before.keypoints1, after.keypoints1, atol=1e-3)
    assert torch.allclose(before.spread, after.spread, atol=1e-3)


def test_the_head_can_be_trained_alone(tmp_path, quick_validation):
    config = tiny(
        4,
        start_from='compact',
        trained='head',
        windows_kept=300,
        windows_drawn=64,
        steps_per_batch=2,
        spread_weight=0.1,
    )
    HeadTrainer(config, tmp_path).run()
    before, after = (load_weights(name).state_dict() for name in ('compact', tmp_path / WEIGHTS))
    changed = {
        name
        for name, value in after.items()
        if name not in before or not torch.equal(value, before[name])
    }
    assert changed
    assert all(name.startswith('correlation_head') for name in changed)


def test_no_head_cannot_be_trained(tmp_path):
    plain = dataclasses.replace(LoFTRConfig.compact(), correlation_hidden=0)
    with pytest.raises(ValueError, match='there is no head to train'):
        HeadTrainer(tiny(1, model=plain, trained='head'), tmp_path)


def test_the_head_sees_what_refining_sees(tmp_path):
    """So that what it learns alone is what is asked of it in the network."""
    trainer = HeadTrainer(tiny(1, trained='head'), tmp_path)
    pairs, truth = trainer._next_pairs()
    chosen = trainer._fine_choice(truth)
    trainer._next_pairs = lambda: (pairs, truth)
    trainer._fine_choice = lambda _: chosen
    windows = trainer._new_windows()
    with torch.no_grad():
        terms = trainer._loss_terms(pairs.images, truth, *chosen)
        refined = trainer._head(*windows[:4])
    half = trainer.config.model.window // 2
    target = windows.target / half
    alone = fine_loss(refined[0] / half, target, refined[1] / half)
    assert terms.fine.item() == pytest.approx(alone.item(), rel=1e-4)


class TestWindowPool:
    def windows(self, count, value):
        maps = torch.full((count, 25, 4), float(value))
        return Windows(maps, maps, torch.zeros(count, 2), torch.ones(count), torch.zeros(count, 2))

    def test_the_oldest_give_way(self):
        pool = WindowPool(10, torch.Generator())
        for value in range(5):
            pool.add(self.windows(4, value))
        drawn = pool.draw(400).first[:, 0, 0]
        assert drawn.unique().tolist() == [2, 3, 4]
        assert 0.1 < (drawn == 2).float().mean() < 0.3

    def test_what_was_not_filled_is_not_drawn(self):
        pool = WindowPool(10, torch.Generator())
        with pytest.raises(RuntimeError, match='add some first'):
            pool.draw(1)
        pool.add(self.windows(3, 7))
        assert (pool.draw(100).first == 7).all()

    def test_all_mirrors_come_in_turn(self):
        pool = WindowPool(10, torch.Generator())
        point = torch.zeros(1, 25, 4)
        point[0, 5 * 1 + 4] = 1  # row 1, column 4
        place = torch.tensor([[2.0, -1.0]])
        pool.add(Windows(point, point, place, torch.ones(1), place))
        seen = set()
        for _ in range(8):
            drawn = pool.draw(1)
            row, column = divmod(int(drawn.first[0, :, 0].argmax()), 5)
            assert drawn.target[0].tolist() == drawn.offset[0].tolist() == [column - 2, row - 2]
            seen.add((row, column))
        assert len(seen) == 8


def test_only_known_parts_are_trained():
    with pytest.raises(ValueError, match=r"trained must be one of .*, got 'coarse'"):
        TrainingConfig(trained='coarse')


def test_mixed_precision_keeps_what_must_be_exact_and_agrees_with_float32(tmp_path, pairs):
    """On a CPU autocast is bfloat16, coarser still than a GPU's float16."""
    trainer = Trainer(tiny(2, start_from='compact'), tmp_path)
    trainer.model.eval()
    truth = supervise(pairs)
    torch.manual_seed(0)
    choice = trainer._fine_choice(truth)
    exact = trainer._loss_terms(pairs.images, truth, *choice)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed = trainer._loss_terms(pairs.images, truth, *choice)
        tokens = torch.randn(1, 6, 64).bfloat16()
        assert trainer.model.similarity(tokens, tokens).dtype == torch.float32
    for name in ('coarse', 'unmatched', 'fine', 'spread'):
        value = getattr(mixed, name)
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(getattr(exact, name).item(), rel=0.1)
    mixed.fine.backward()
    gradient = trainer.model.loftr_fine.layers[0].q_proj.weight.grad
    assert gradient.dtype == torch.float32 and gradient.isfinite().all()


def test_pairs_of_different_places_have_nothing_to_match(pairs):
    strange, truth = estranged(pairs, supervise(pairs))
    assert not truth.matched.any() and truth.unmatchable.all()
    assert torch.equal(strange.images[0], pairs.images[0])
    assert torch.equal(strange.images[1, 1:], pairs.images[1, :-1])


@pytest.mark.parametrize('axis', [0, 1])
def test_a_mirror_leaves_true_matches_where_they_were(pairs, axis):
    """What the mirrored pairs' depth and motion say of a pixel is the mirror of what was said."""
    mirrors = mirrored(pairs, axis)
    extent = np.array(SIZE[::-1])[axis] - 1
    checked = 0
    for b in range(8):
        for x, y in ((20, 11), (40, 30)):
            if pairs.depths[0, b, y, x] > 100:
                continue
            there = np.array([x, y])
            there[axis] = extent - there[axis]
            position, depth = warp(pairs, b, 0, x, y)
            reflected, same_depth = warp(mirrors, b, 0, *there.tolist())
            position[axis] = extent - position[axis]
            assert reflected == pytest.approx(position, abs=0.01)
            assert same_depth == pytest.approx(depth, rel=1e-4)
            checked += 1
    assert checked > 6
    again = mirrored(mirrors, axis)
    assert torch.equal(again.images, pairs.images)
    assert torch.allclose(again.intrinsics, pairs.intrinsics, atol=1e-3)


def test_swapped_pairs_have_the_matches_the_other_way_round(pairs):
    truth, back = supervise(pairs), supervise(swapped(pairs))
    for b in range(8):
        forth = {(int(i), int(truth.partner[b, i])) for i in truth.matched[b].nonzero()[:, 0]}
        others = {(int(back.partner[b, i]), int(i)) for i in back.matched[b].nonzero()[:, 0]}
        # Movers are left out by the first picture's cells, which are others the other way round.
        assert len(forth & others) >= 0.9 * len(forth | others)


def test_the_pool_renders_one_batch_in_so_many_and_never_shows_the_same_twice():
    generator = PairGenerator(TextureBank.random(4, 64, seed=1), seed=3)
    drawn = []
    render_new = generator.draw_unlit
    generator.draw_unlit = lambda *shape: drawn.append(render_new(*shape)) or drawn[-1]
    pool = PairPool(generator, reuse=4)
    batches = [pool.draw(1, SIZE).images for _ in range(40)]
    assert 10 <= len(drawn) <= 16
    assert all((a - b).abs().max() > 0.01 for a, b in itertools.pairwise(batches))
    seen = PairPool(PairGenerator(generator.bank, seed=3), reuse=1).draw(1, SIZE)
    fresh = PairGenerator(generator.bank, seed=3).draw(1, SIZE)
    assert torch.equal(seen.images, fresh.images)


def test_a_finished_run_has_nothing_to_do(tmp_path, quick_validation):
    Trainer(tiny(2), tmp_path).run()
    before = (tmp_path / CHECKPOINT).read_bytes()
    Trainer(tiny(2), tmp_path).run()
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_an_interrupted_write_leaves_the_checkpoint_before(
    tmp_path, quick_validation, monkeypatch
):
    trainer = Trainer(tiny(4), tmp_path)
    trainer.run()
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full_disk(state, file):
        file.write(b'half of a check')
        raise OSError('no space left on device')

    monkeypatch.setattr(torch, 'save', full_disk)
    with pytest.raises(OSError, match='no space left'):
        trainer._checkpoint()
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    monkeypatch.undo()
    assert Trainer(tiny(4), tmp_path).step == 4


def test_weights_of_a_run_load_as_any_others(tmp_path, quick_validation):
    trainer = Trainer(tiny(2), tmp_path)
    trainer.run()
    model = load_weights(tmp_path / WEIGHTS)
    assert model.config == trainer.config.model
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_validation_scores_lie_in_range_and_leave_the_mode(monkeypatch):
    monkeypatch.setattr(validation, '_SIZE', SIZE)
    monkeypatch.setattr(validation, '_PAIRS', 2)
    validation.held_out.cache_clear()
    try:
        torch.manual_seed(0)
        model = LoFTR(dataclasses.replace(LoFTRConfig.compact(), threshold=0.0)).train()
        scores = validation.validate(model, torch.device('cpu'))
    finally:
        validation.held_out.cache_clear()
    assert model.training
    names = {'precision', 'recall', 'false_rate', 'fine_error_px', 'clean_error_px'}
    assert set(scores) == names
    for name in ('precision', 'recall', 'false_rate'):
        assert 0 <= scores[name] <= 1


def test_places_are_scored_as_the_network_and_as_lucas_kanade_leave_them(monkeypatch):
    """Pixels of the pictures: places put elsewhere by a pixel are a pixel worse."""
    model = load_weights('compact')
    scores = validation.validate_places(model, (144, 192), 2)
    assert scores.keys() == {
        'working_error_px',
        'refined_error_px',
        'clean_working_error_px',
        'clean_refined_error_px',
    }
    assert all(0 < error < 1 for error in scores.values())
    assert scores['clean_refined_error_px'] < scores['clean_working_error_px']
    matched = validation.match_and_refine

    def aside(*arguments, **options):
        matches = matched(*arguments, **options)
        return dataclasses.replace(matches, keypoints1=matches.keypoints1 + np.float32([3, 0]))

    monkeypatch.setattr(validation, 'match_and_refine', aside)
    worse = validation.validate_places(model, (144, 192), 2)
    assert all(worse[name] == pytest.approx(3, abs=0.3) for name in scores)


def test_the_curve_is_drawn_from_the_log(tmp_path):
    names = ('loss', 'coarse', 'unmatched', 'fine', 'precision', 'recall', 'false_rate')
    entries = [
        {'step': step, 'fine_error_px': 1.0, 'clean_error_px': 0.5, **dict.fromkeys(names, 0.5)}
        for step in (1, 2)
    ]
    (tmp_path / LOG).write_text('\n'.join(json.dumps(entry) for entry in entries))
    draw_curve(tmp_path / LOG, tmp_path / 'curve.png')
    assert (tmp_path / 'curve.png').read_bytes().startswith(b'\x89PNG')
    draw_curve(tmp_path / 'absent', tmp_path / 'none.png')
    assert not (tmp_path / 'none.png').exists()
