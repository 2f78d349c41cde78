# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""From the name of weights to a network, and what is said where that fails."""

import contextlib
import dataclasses
import functools
import hashlib
import http.server
import shutil
import socket
import threading
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest
import torch

from loftr_vo import LoFTR, LoFTRConfig, load_weights
from loftr_vo.loftr import WeightsError, fetching, weights
from loftr_vo.loftr.named_weights import PUBLISHED


@pytest.fixture(scope='module')
def outdoor():
    return load_weights('random:outdoor')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory, outdoor):
    """A file as the authors publish it: the outdoor architecture, keys prefixed."""
    path = tmp_path_factory.mktemp('published') / 'loftr_outdoor.ckpt'
    state = {f'matcher.{key}': value for key, value in outdoor.state_dict().items()}
    torch.save({'state_dict': state}, path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, for files that are not the published ones."""
    path = tmp_path / 'cache'
    monkeypatch.setenv('LOFTR_VO_CACHE', str(path))
    for name, entry in list(PUBLISHED.items()):
        monkeypatch.setitem(PUBLISHED, name, dataclasses.replace(entry, sha256=None))
    return path


def pin(monkeypatch, digest):
    outdoor = dataclasses.replace(PUBLISHED['outdoor'], sha256=digest)
    monkeypatch.setitem(PUBLISHED, 'outdoor', outdoor)


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; of what is asked under /truncated/ only the first half."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith('/to/'):
            self.send_response(302)
            self.send_header('Location', self.path.removeprefix('/to/'))
            self.end_headers()
            return None
        if self.path.startswith('/length/'):
            self.send_response(200)
            self.send_header('Content-Length', self.path.removeprefix('/length/'))
            self.end_headers()
            return None
        if self.path.startswith('/endless/'):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 16))
        if not self.path.startswith('/truncated/'):
            return super().do_GET()
        self.path = self.path.removeprefix('/truncated')
        with open(self.translate_path(self.path), 'rb') as file:
            content = file.read()
        self.send_response(200)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])


@pytest.fixture(scope='module')
def address(checkpoint):
    handler = functools.partial(Handler, directory=checkpoint.parent)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_address():
    with socket.socket() as bound:
        bound.bind(('127.0.0.1', 0))
        yield f'http://127.0.0.1:{bound.getsockname()[1]}'


def assert_same_weights(model, other):
    state = other.state_dict()
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


class TestCompact:
    def test_comes_with_the_package(self):
        model = load_weights('compact')
        assert not model.training
        assert model.config.block_dims == LoFTRConfig.compact().block_dims

    def test_matches_a_shifted_picture(self):
        rng = np.random.default_rng(0)
        octaves = [rng.random((9 * n, 12 * n)) / n for n in (1, 2, 4, 8)]
        texture = sum(cv2.resize(octave, (384, 288)) for octave in octaves)
        picture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
        matches = load_weights('compact').match(picture[:240, :320], picture[20:260, 30:350])
        error = np.linalg.norm(matches.keypoints0 - matches.keypoints1 - [30, 20], axis=1)
        assert len(matches) > 200
        assert np.median(error) < 1.0


class TestDownload:
    def test_lands_in_the_cache_beside_its_hash(self, cache, address, outdoor):
        path = weights.download('outdoor', [f'{address}/loftr_outdoor.ckpt'])
        assert path == cache / 'loftr_outdoor.ckpt'
        assert sorted(p.name for p in cache.iterdir()) == [
            'loftr_outdoor.ckpt',
            'loftr_outdoor.ckpt.sha256',
        ]
        assert weights.verify('outdoor').verified
        assert_same_weights(load_weights('outdoor'), outdoor)

    def test_happens_once(self, cache, address, closed_address):
        weights.download('outdoor', [f'{address}/loftr_outdoor.ckpt'])
        weights.download('outdoor', [f'{closed_address}/loftr_outdoor.ckpt'])

    def test_goes_on_to_the_next_mirror(self, cache, address, closed_address):
        urls = [
            f'{closed_address}/loftr_outdoor.ckpt',
            f'{address}/absent.ckpt',
            f'{address}/truncated/loftr_outdoor.ckpt',
            f'{address}/loftr_outdoor.ckpt',
        ]
        assert weights.download('outdoor', urls).is_file()

    def test_refuses_a_broken_transfer_and_leaves_nothing(self, cache, address):
        with pytest.raises(WeightsError, match=r'broke off after \d+ of \d+ bytes'):
            weights.download('outdoor', [f'{address}/truncated/loftr_outdoor.ckpt'])
        assert list(cache.iterdir()) == []

    def test_refuses_what_is_no_checkpoint_and_leaves_nothing(self, cache, address, checkpoint):
        (checkpoint.parent / 'login.html').write_text('<html>Log in to the network</html>')
        with pytest.raises(WeightsError, match='is not a checkpoint'):
            weights.download('outdoor', [f'{address}/login.html'])
        assert list(cache.iterdir()) == []

    def test_says_offline_where_to_put_the_file(self, cache, closed_address):
        with pytest.raises(WeightsError, match='refused') as failure:
            weights.download('outdoor', [f'{closed_address}/loftr_outdoor.ckpt'])
        assert f'put it at {cache / "loftr_outdoor.ckpt"}' in str(failure.value)
        assert list(cache.iterdir()) == []

    def test_says_that_the_cache_cannot_be_written(self, tmp_path, monkeypatch, address):
        (tmp_path / 'file').touch()
        monkeypatch.setenv('LOFTR_VO_CACHE', str(tmp_path / 'file' / 'cache'))
        with pytest.raises(WeightsError, match='LOFTR_VO_CACHE'):
            weights.download('outdoor', [f'{address}/loftr_outdoor.ckpt'])

    def test_a_file_that_changed_since_is_refused(self, cache, address):
        path = weights.download('outdoor', [f'{address}/loftr_outdoor.ckpt'])
        with path.open('ab') as file:
            file.write(b'x')
        for use in (weights.verify, weights.download, load_weights):
            with pytest.raises(WeightsError, match=r'has changed.*weights download outdoor'):
                use('outdoor')

    @pytest.mark.parametrize(
        ('where', 'message'),
        [
            ('/length/many', "announces a length of 'many'"),
            ('/length/-3', "announces a length of '-3'"),
            ('/length/99999999999999999999', 'more than any weights'),
            ('/endless/', 'sends more than'),
            ('/to/ftp://127.0.0.1/loftr_outdoor.ckpt', 'ftp'),
            ('/to/file:///etc/passwd', 'not allowed'),
            ('/to/http://[bad', 'no answer'),
        ],
    )
    def test_a_bad_mirror_is_passed_over(self, cache, address, monkeypatch, where, message):
        monkeypatch.setattr('loftr_vo.loftr.fetching.LARGEST', 100 << 20)
        bad, good = f'{address}{where}', f'{address}/loftr_outdoor.ckpt'
        with pytest.raises(WeightsError, match=message):
            weights.download('outdoor', [bad])
        assert list(cache.iterdir()) == []
        assert weights.download('outdoor', [bad, good]).is_file()

    @pytest.mark.parametrize('url', ['ftp://127.0.0.1/a', 'file:///etc/passwd', 'nonsense'])
    def test_only_http_is_spoken(self, cache, url):
        with pytest.raises(WeightsError, match='no answer'):
            weights.download('outdoor', [url])

    def test_no_redirect_leaves_encryption(self):
        handler = fetching._SafeRedirects()
        request = urllib.request.Request('https://example.org/a')
        with pytest.raises(urllib.error.URLError, match='not encrypted'):
            handler.redirect_request(request, None, 302, '', {}, 'http://example.org/a')
        assert handler.redirect_request(request, None, 302, '', {}, 'https://example.org/b')

    def test_another_file_than_the_published_is_refused(
        self, cache, address, checkpoint, monkeypatch
    ):
        pin(monkeypatch, 'f' * 64)
        with pytest.raises(WeightsError, match='not the published file'):
            weights.download('outdoor', [f'{address}/loftr_outdoor.ckpt'])
        assert list(cache.iterdir()) == []
        shutil.copy(checkpoint, cache / 'loftr_outdoor.ckpt')
        for use in (weights.verify, weights.download, load_weights):
            with pytest.raises(WeightsError, match='not the published file'):
                use('outdoor')

    def test_the_published_file_is_verified_by_its_hash(
        self, cache, address, checkpoint, monkeypatch
    ):
        pin(monkeypatch, digest_of(checkpoint))
        weights.download('outdoor', [f'{address}/loftr_outdoor.ckpt'])
        (cache / 'loftr_outdoor.ckpt.sha256').unlink()
        assert weights.verify('outdoor').verified

    def test_a_record_that_is_a_link_is_not_followed(self, cache, tmp_path, checkpoint, address):
        outside = tmp_path / 'outside'
        outside.write_text('precious')
        cache.mkdir()
        record = cache / 'loftr_outdoor.ckpt.sha256'
        record.symlink_to(outside)
        weights.download('outdoor', [f'{address}/loftr_outdoor.ckpt'])
        assert outside.read_text() == 'precious'
        assert not record.is_symlink()
        outside.write_text(digest_of(cache / 'loftr_outdoor.ckpt'))
        record.unlink()
        record.symlink_to(outside)
        with pytest.raises(WeightsError, match='symbolic link'):
            load_weights('outdoor')

    @pytest.mark.parametrize('content', [b'\xff\xfe', b'', bytes(10_000)])
    def test_a_damaged_record_is_no_traceback(self, cache, checkpoint, content):
        cache.mkdir()
        shutil.copy(checkpoint, cache / 'loftr_outdoor.ckpt')
        (cache / 'loftr_outdoor.ckpt.sha256').write_bytes(content)
        with contextlib.suppress(WeightsError):
            weights.download('outdoor')

    def test_a_file_placed_by_hand_is_taken_and_recorded(self, cache, checkpoint):
        cache.mkdir()
        shutil.copy(checkpoint, cache / 'loftr_indoor_ds_new.ckpt')
        assert load_weights('indoor_new').config == LoFTRConfig.indoor_new()
        assert weights.verify('indoor_new').verified


class TestCheckpointFile:
    @pytest.mark.parametrize(
        ('name', 'wrapped', 'prefix', 'corrected'),
        [
            ('mine.ckpt', True, 'matcher.', False),
            ('mine.pt', False, '', False),
            ('indoor_ds_new.ckpt', True, 'matcher.', True),
        ],
    )
    def test_published_forms_are_taken(self, tmp_path, outdoor, name, wrapped, prefix, corrected):
        state = {prefix + key: value for key, value in outdoor.state_dict().items()}
        torch.save({'state_dict': state} if wrapped else state, tmp_path / name)
        loaded = load_weights(tmp_path / name)
        assert_same_weights(loaded, outdoor)
        assert loaded.config.corrected_position_encoding == corrected
        assert not loaded.training

    def test_ours_carries_its_config(self, tmp_path):
        config = LoFTRConfig(block_dims=(8, 16, 32), coarse_pairs=1, coarse_heads=2, fine_heads=2)
        model = LoFTR(config)
        content = {
            'config': config.to_dict(),
            'state_dict': model.state_dict(),
            'training': {'steps': 3},
        }
        torch.save(content, tmp_path / 'own.pt')
        loaded = load_weights(str(tmp_path / 'own.pt'))
        assert loaded.config == config
        assert_same_weights(loaded, model)

    def test_a_config_of_another_version_is_named(self, tmp_path):
        torch.save({'config': {'depth': 3}, 'state_dict': {}}, tmp_path / 'own.pt')
        with pytest.raises(WeightsError, match=r"unknown \['depth'\]"):
            load_weights(tmp_path / 'own.pt')

    def test_another_architecture_is_refused_with_its_keys(self, tmp_path, outdoor):
        state = outdoor.state_dict()
        state['coarse_matching.bin_score'] = torch.ones(())
        state['backbone.conv1.weight'] = torch.zeros(64, 1, 7, 7)
        for layer in ('q_proj', 'k_proj', 'v_proj', 'merge'):
            del state[f'loftr_fine.layers.1.{layer}.weight']
        torch.save(state, tmp_path / 'ot.ckpt')
        with pytest.raises(WeightsError) as failure:
            load_weights(tmp_path / 'ot.ckpt')
        message = str(failure.value)
        assert 'missing: loftr_fine.layers.1.k_proj.weight' in message
        assert 'and 1 more' in message
        assert 'unexpected: coarse_matching.bin_score' in message
        assert 'of another shape: backbone.conv1.weight' in message

    @pytest.mark.parametrize('content', [b'', b'not a checkpoint', b'PK\x03\x04broken'])
    def test_another_file_is_refused(self, tmp_path, content):
        (tmp_path / 'other.ckpt').write_bytes(content)
        with pytest.raises(WeightsError, match='is not a checkpoint'):
            load_weights(tmp_path / 'other.ckpt')

    @pytest.mark.parametrize('content', [[1, 2], {'state_dict': 3}, {'epoch': 3}])
    def test_a_file_without_state_is_refused(self, tmp_path, content):
        torch.save(content, tmp_path / 'other.ckpt')
        with pytest.raises(WeightsError, match='state dict'):
            load_weights(tmp_path / 'other.ckpt')

    def test_a_flipped_bit_is_found(self, tmp_path):
        path = tmp_path / 'own.pt'
        write_small(path)
        content = bytearray(path.read_bytes())
        # In the numbers of a tensor, far from any structure.
        place = content.find(small_model().state_dict()[TENSOR].numpy().tobytes())
        assert place > 0
        content[place + 100] ^= 1
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r'is damaged: .* checksum'):
            load_weights(path)

    @pytest.mark.parametrize(
        ('value', 'message'),
        [
            (float('nan'), 'not finite: '),
            (float('inf'), 'not finite: '),
            (-1.0, 'negative: .*running_var'),
        ],
    )
    def test_values_that_no_weights_have_are_refused(self, tmp_path, value, message):
        def change(content):
            content['state_dict']['backbone.bn1.running_var'][3] = value

        write_small(tmp_path / 'own.pt', change)
        with pytest.raises(WeightsError, match=message):
            load_weights(tmp_path / 'own.pt')

    @pytest.mark.parametrize(
        'state',
        [
            lambda tensor: {3: torch.ones(1)},
            lambda tensor: {f'matcher.{TENSOR}': tensor},
            lambda tensor: {TENSOR: tensor.to(torch.complex64)},
            lambda tensor: {TENSOR: tensor.to_sparse()},
            lambda tensor: {TENSOR: tensor.to(torch.int32)},
            lambda tensor: {TENSOR: [1.0]},
        ],
    )
    def test_odd_entries_are_refused(self, tmp_path, state):
        def change(content):
            content['state_dict'].update(state(content['state_dict'][TENSOR]))

        write_small(tmp_path / 'own.pt', change)
        with pytest.raises(WeightsError, match=r'own\.pt'):
            load_weights(tmp_path / 'own.pt')

    @pytest.mark.parametrize(
        'config',
        [
            {'coarse_heads': 0},
            {'coarse_heads': '4'},
            {'coarse_pairs': 10**7},
            {'fine_pairs': -1},
            {'block_dims': 3},
            {'block_dims': (8, 16)},
            {'block_dims': (10**6, 10**6, 10**6)},
            {'block_dims': (1024, 1024, 1024)},
            {'window': 10**6 + 1},
            {'temperature': 0.0},
            {'threshold': float('nan')},
            {'align_corners': [1]},
            {5: 5},
        ],
    )
    def test_odd_configs_are_refused_at_once(self, tmp_path, config):
        write_small(tmp_path / 'own.pt', lambda content: content['config'].update(config))
        with pytest.raises(WeightsError, match=r'own\.pt'):
            load_weights(tmp_path / 'own.pt')

    def test_damage_anywhere_is_no_traceback(self, tmp_path):
        path = tmp_path / 'own.pt'
        write_small(path)
        whole = path.read_bytes()
        rng = np.random.default_rng(1)
        for _ in range(60):
            content = bytearray(whole)
            for place in rng.integers(len(content), size=int(rng.integers(1, 30))):
                content[place] = int(rng.integers(256))
            path.write_bytes(content[: int(rng.integers(len(content)))])
            with pytest.raises(WeightsError):
                load_weights(path)
            path.write_bytes(content)
            with contextlib.suppress(WeightsError):
                load_weights(path)

    def test_a_file_of_any_size_is_not_read(self, tmp_path):
        with (tmp_path / 'huge.pt').open('wb') as file:
            file.truncate(1 << 40)
        with pytest.raises(WeightsError, match='more than any weights'):
            load_weights(tmp_path / 'huge.pt')

    def test_code_in_a_file_is_not_run(self, tmp_path):
        torch.save({'state_dict': RunsCode(tmp_path / 'ran')}, tmp_path / 'evil.ckpt')
        with pytest.raises(WeightsError, match='is not a checkpoint of tensors'):
            load_weights(tmp_path / 'evil.ckpt')
        assert not (tmp_path / 'ran').exists()

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(WeightsError, match=r'no checkpoint at .*absent\.ckpt'):
            load_weights(tmp_path / 'absent.ckpt')


TENSOR = 'backbone.layer1.0.conv1.weight'


@functools.cache
def small_model():
    torch.manual_seed(0)
    return LoFTR(LoFTRConfig((16, 16, 16), coarse_pairs=1, coarse_heads=2, fine_heads=2))


def write_small(path, change=lambda content: None):
    state = {key: value.clone() for key, value in small_model().state_dict().items()}
    content = {'config': small_model().config.to_dict(), 'state_dict': state}
    change(content)
    torch.save(content, path)


class RunsCode:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


class TestNames:
    @pytest.mark.parametrize('use', [load_weights, weights.verify, weights.download])
    def test_an_unknown_name_lists_the_known(self, use):
        with pytest.raises(WeightsError, match='compact, outdoor, indoor, indoor_new'):
            use('outdor')

    def test_random_weights_are_always_the_same(self):
        torch.manual_seed(1)
        before = torch.random.get_rng_state()
        model = load_weights('random:compact')
        assert torch.equal(torch.random.get_rng_state(), before)
        torch.manual_seed(2)
        assert_same_weights(model, load_weights('random:compact'))

    def test_random_weights_take_the_architecture_named(self):
        assert load_weights('random:indoor_new').config == LoFTRConfig.indoor_new()
        with pytest.raises(WeightsError, match="'huge'"):
            load_weights('random:huge')

    def test_available_says_what_is_here(self, cache, checkpoint):
        cache.mkdir()
        shutil.copy(checkpoint, cache / 'loftr_outdoor.ckpt')
        infos = {info.name: info for info in weights.available()}
        assert list(infos) == ['compact', 'outdoor', 'indoor', 'indoor_new']
        assert infos['compact'].path.name == 'compact.pt'
        assert infos['outdoor'].path == cache / 'loftr_outdoor.ckpt'
        assert len(infos['outdoor'].sha256) == 64
        assert infos['outdoor'].verified is None
        assert infos['indoor'] == weights.WeightsInfo(
            'indoor', infos['indoor'].source, None, None, None
        )

    def test_verify_says_how_to_get_what_is_not_here(self, cache):
        with pytest.raises(WeightsError, match='loftr_vo weights download indoor'):
            weights.verify('indoor')
