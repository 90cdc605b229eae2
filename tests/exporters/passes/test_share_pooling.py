"""Channel attention with given averages: the default is the ordinary network, and tiles equal the whole."""

from collections.abc import Callable

import numpy as np
import torch

from exporters.passes.share_pooling import share_pooling
from tests.exporters.tiny import Exported

RNG = np.random.default_rng(4)


def test_without_averages_it_is_the_ordinary_network(exported: Callable[[str], Exported]) -> None:
    drn = exported("drn-x4")
    assert drn.session.takes_pooled_statistics
    lr = RNG.random((2, 3, 9, 14), np.float32)
    with torch.no_grad():
        expected = drn.network(torch.from_numpy(lr)).numpy()
    np.testing.assert_allclose(drn.session.run(lr), expected, atol=1e-4)


def test_own_averages_given_back_change_nothing(exported: Callable[[str], Exported]) -> None:
    session = exported("drn-x4").session
    lr = RNG.random((1, 3, 21, 18), np.float32)
    np.testing.assert_array_equal(session.run(lr, session.pooled_statistics(lr)), session.run(lr))


def test_tile_with_the_pictures_averages_equals_the_whole(exported: Callable[[str], Exported]) -> None:
    drn = exported("drn-x4")
    session, halo = drn.session, drn.card.halo_px
    side, tile = 2 * halo + 24, 16
    lr = RNG.random((1, 3, side, side), np.float32)
    whole = session.run(lr)
    top = side - tile - halo
    window = lr[:, :, top - halo :, : tile + halo]
    cut = slice(4 * halo, 4 * (halo + tile)), slice(0, 4 * tile)
    there = whole[:, :, 4 * top : 4 * (top + tile), : 4 * tile]
    shared = session.run(window, session.pooled_statistics(lr))[:, :, *cut]
    np.testing.assert_allclose(shared, there, atol=1e-6)
    own = session.run(window)[:, :, *cut]
    assert np.abs(own - there).max() > 1e-4


def test_networks_without_pooling_stay_as_they_are(exported: Callable[[str], Exported]) -> None:
    model = exported("plain-x3").model
    before = model.SerializeToString(deterministic=True)
    assert share_pooling(model).applied == 0
    assert model.SerializeToString(deterministic=True) == before
    assert not exported("plain-x3").session.takes_pooled_statistics
