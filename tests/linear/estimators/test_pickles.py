"""Pickles outlive moves: those of heschl 0.1.0, made before its rooms, and those of this version by public names alone.

The bytes below are `zlib.compress(pickle.dumps(model, protocol=4))`, of models fitted to a few small numbers.
"""

from __future__ import annotations

import base64
import copy
import pickle
import pickletools
import zlib
from typing import Any

import numpy as np
import pytest

import heschl.linear
from heschl import CCA, BandedRidgeCV, LaggedRidge, LaggedRidgeCV

NEW = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])
OLD: dict[str, tuple[str, list[Any]]] = {
    "LaggedRidge": (
        "eNqVkj1oFEEUx+/7ThODoKiFhSJCorCFEbEw3MGJgaxckcbOdW53dndwP86Z2dMLKFrE5HAq80SCYGFjIaSysfE6IwQLRcVOC0slWggiJDqz"
        "dxvvICc4AzuPmffx/719N3P3fmZT8RL7XcxM19M8EmBENcw48REPKYiR88hxsDVLLAfDEkzcguswLvLIa7gIpiupXoKchxwGolSPiMdJIM08"
        "RUEcoqf0jJ5egFkQOe6TAGrqRNfkmWc2xVekUaqHUWAh2pI+c5iGIHbZhBsk4JiauMFhUYwwjpSLReYwtEXRJ4yRwIkLEYZBFFjoNbGUnEMR"
        "lxlGfeyHtGV4xCdcFbN4q4GlUbBwk5gyIms2IhBjgWFjxCOKmSxogJ4RRUOl9lSdvAIzQOwLIr/R0gwzpFjzIwmJKEVS76hBsRkGjNPI5BJX"
        "5GNPEEWlVrmoFsxDNV0H1YRxPa1n5sE9nAiSIRlyGtqL3desSJ+BWq0281uu+KOnONTb1d29XqfSvRPktYRRSaTAou2FiJ86Ka1uI+RdyXRD"
        "D7PLLdXPLqPhYyQh3UPuEaXKPdqv6ZjI2H1KXO2fOlL9OkrGVUwcl8s/v2dwmGg8OqJ4ofe+NUSFJvIizLbRktMzt8GdalcrbyY/rlzc+7o8"
        "+WPz19vlV8+XHmiFO61nneyJdw83V9fLnQ9n15z1b+XpL2OPbuRedDbuH+88rrzsnJu5W/j6frkTa8szl9h8CPPUMKIdf6dveOT46qUn3w+s"
        "lD+tTWx8Pvg0rhfJimaI7W27rPbCIFvCkLAlDAlzwpYwD7Dt3FJp/LdM7Q8E7JwO",
        [[0.12663063519, 1.90775738575], [0.837797258862, -1.29420934506], [0.999106586771, 0.443239161004]],
    ),
    "LaggedRidgeCV": (
        "eNqVU11IFEEcv1vvzkstjKJ6MCiwsIgrzCIiWOEoqdVLhJQechl3Z2+H9qvZ2auTJIMuNSYom3zwKYIIekh6qp6uKILKHnzuSdGnSJQkiB5s"
        "Zs8zBY3ch53Z2Znf1/z//bGH2+OR8KE7TehrppWykAMBTkGfIBsQFzO6uRVks1DvQHoWpjvZA3bgJutjDTRmgazPaLInQBZBDp/GMXCykO9Q"
        "IoqkRAdYB6MxYiOHZcQIrvEx7hsYXuGTBLA8E/jsEmtokedKKlqa60sTSCUtxxSJo7uBowOc50i9ELtcjoGIihwCsQY9wgZptU+A2KKjXsiG"
        "aKWNfB852VAO8iGjlb7m4nBFwo2M1obEqgexSgDOQoGRcLhhqPPjCd+1cpDbjoGAcLoaG9ouzqsWshER+nWS96DQr8Mc0jh8heYFjG5xVAMC"
        "EmDoc3Wq0F5yqDK6wwlsL59SuQyYsgOeFsAYcEs1Koaa6/gEBxrhudF4uJNLFobEFpFlgaWjPUyk2aBEFanAzP1lGfyIZJxgQ4OlvxU0eopl"
        "Mplzi/wJX0qEsJ6hdG0p1jm5NNY3M75Mq7ScKrLhkpm5z2wQVObBZSJFus3MxqH0nvozystfY9OyN9z67FP/pNyE23/r52eLHZOjN3ZHZuQQ"
        "bCsH81zXgvp/YY4nn5yeeTct554+qssvTsqPXx/LXDw7WxytG0/vqp4qYVaq4iYtca1xUW1rQvKPw1RCK1Iwj/4jg0gkujSGFIkwSH5JlYbl"
        "AnK8SdRLWAJ8LamZ3JB/OS/KrnS7qg2Bs56OxhUskZUsSfUqRFmT8CbZtrrRsGgrztm19H+5vRI5YAXQX4MpVg6xuXtvtIsYE/LEnfELX7xh"
        "2Riru3/9/avixKEDb2J93+Ujhbs/vLZ5eX5hauFb24eidpLEf379WGy89xm+7R4phtrivokMslFHm/624PonY7eqq2jnC7l9JIcKsechX8AZ"
        "NRca65SHIg2s9lb2UPZW9lD2XPZW9rzKW9WySnXDMlN/AJLs/QE=",
        [[0.146108881533, 1.80240229594], [0.841831191952, -1.19808395642], [1.03701292734, 0.477998414475]],
    ),
    "LaggedRidgeCV nested": (
        "eNqVVE1oE0EUbtL82VZpKVrBi1CtUTTWKlJQWDGHgpGAxdaTLNPNJDt2f+LsbGqKih5aGzoIxVGkB8GTJ/HkwYKkFfEggr0UPAmKWCiIFfxD"
        "EX2zm7RW06Jz2DezO+973/vee3spdL0zXOct3qZjR9ONhEEsjGgCO4yYiNlU8PXHUS6HM70kk8PJfnFN7LwsLog4Dxko5wgeG3CJwYgF2zBF"
        "Vg7DjVRdKpgKXBG9goeYSSyRlhadAxt2shSfhU0EGXkdOeK0iPcoiz6LniPb/A3mQa0gUiFAt10rg2gRkIYxtYFOljCVWAxTDeeZGOONDkPy"
        "SoYMYzhGTeI4xMp5dIiDBY86mk29N0HaJXizF1jNY6oyRHNYYkQsSBhn5M6xjQKGtEPIZRCuycSmTYuqQUzCJP8MK+ax5J/BBaIBfL2WdwXf"
        "YKlZjJhLsQPsVJEKVjJUBd9kuWa+mFCBBk6YLqiFKEWQUpNKsWZbDqOuxkA3HvZuAmWZkLwitRwRycCAkGrGU4FUYEToHVUa4BLMdovSmP+1"
        "ngcOi3Q6fewnLO+RqmNioJSM+bIuKgKOvEErqFIToCr07XpchtB3VQNA5UaF3lVKNj9sePDsW/hN+eX87d0f3tVPe84t4Jy3bQNn/gnjcau6"
        "JTk0rZzv6B5y27+UPYyoKitkyHKFZRfVhIDDXh4kv2Wn76+VW3NdZQUq1gsR8QQC8aNZw0bs4AHZB15p4V1M0yEBZ7Ao28mvmmpiZK3GQyZy"
        "sk+u+4pn+uZ8JWPqECY5nUHzt64cICrHBWKeqnxfGptIARkudmpEClVF2/pk8tXmE8ZzhbbdnB2cmionZiZ+XB1/r7y98/RMqWfGFzHs6CTL"
        "/pfxuuXR+dsz4HvGxu7dfT339Zbn4UIkzcbZ2mUO/sG4yrTKfAXjhqXYANYOo6YhA1GQRu9Kxvih+T0vihcVMSp/G00MBnKNBlvW6hH/PDm9"
        "41O5b2P/1PePC0qkceHoRMusEhnvvDG+L+g3rQ/n/3HWhqsOymrWlyTxCxdjCYM=",
        [0.081269649159, 0.82764217743, 0.826711715535],
    ),
    "BandedRidgeCV": (
        "eNqVVF2IVVUUvvd4f5yZOyKkRZQxxTxMFNcyC8mBMzSh0skphlTQnN2ec/a5Z9P5c+99rl1LHMO/gS3RuIUUIiJD8EXSoHzxgPjSPNWTqQ8x"
        "UJAaNUMg9AO19rn3zk/MGO6Hs9deZ+21vm+ttddY4WR3KZct+ZhHuO35VZ+GBLPqKA4d4iDCBQ2wiJiS3S9lqmHq1MjgdnVCPXlQ7Vd9ssRj"
        "bBOeyXmsdisrh2V+VAt5nMgS9mMPczj2bTanm8E2D/Q2BSJLIaKCMGU5stuOQpuEgmFBo1DNWZuXTul1+oiSFQYgogBxgQVRQ7Lg4xpXcvlo"
        "Qn1BQxCLYFEjAM/KWYaVP6qGlSyIgIbaWgT4HdiL3GVkDwiGXVeWAdejJHQwa4DpPsIiIOtSgWgIyGwSC3VMdkFEbeLQfUSNy3JAOadhLYtH"
        "OVGyzO2IZRqDrVNyZUYbxYQhgVmNaB+VgAQRayCfBlRoGI5oxJpFySF1aoOTZXacKLkiRC7BImGEAwakEVayJKMQB6BTXtnrgGR02QCJOpAJ"
        "0MkHwySIG1UEMEg1SCAdmDEMlCqIEUgtFyyxBSRGFjNLgKwJaROdrMNqEIqm09Vn5a2CZRxR3to2RLhkuBvU+LHm/2Uy36+GhoZe+QdW9rFy"
        "Qo2ODw40K9b7n33aXLgvrVfgRpabLQM8q96zGpn3XBuXkeHaOD7Y838eM0+ddh3pupBFnRXazgbWs9f/cl77NR2eOn1gTe4ns3eT9dUf5380"
        "44lXz02OTZnHn/7g8i/k73Ts+d+8l3f+bL577ezInxd+MCemRh56Y/JmM1gHW4d47EPj3BP4940evHfVjLlt5+efrXrqo7Rn153Vt2dupMNv"
        "VVZ8/Mitpq8y0t3l61Yr6hZf1CUcNkiDzquL179YVVbmWivf2rMQpay00Dhl14+weGG97uHIr0PHwoOyvcgn/O2GfgrNXkQBweFSODbOi5Kb"
        "H2U52ktozRPwMh9YOGGYHiQQc0fr/9xAqWM/gYFyr4KNPJ7fIdzvzKsPX0cTl+PUPf/oh+9d/Tq1t3y75csnps1nDh//Pd46Y949UNhDyJXU"
        "flEU7978Jv3k5Fl+xv00zbAVuUddcb+MOubGwtI3C4e6OuX2L8w3T02+v6b/YhYvgYh2RNwl2sMyji7k1uYwy63Foc15lluL8wJunbMo0X3D"
        "rP4L881HYw==",
        [[0.146108881533, 1.93772139802], [0.841831191952, -1.29530056694], [1.03701292734, 0.450822564674]],
    ),
    "CCA": (
        "eNprYJl6hZkBDHoEM1KLkzNy9HIy81ITi/SSkxOn9DA7OztOmTxFs3FK7RSNHp68+OT83IL8vNS8kuIp3ow9zEWp6VPcGaCgh6MoMS87viQ/"
        "Z4q77e2a+zev793dw1wANMevh7u4JDEvJbEoJbMqdUpnD1NyGVCQLSW1LDM5FWhNckHplB6uivjy1Mz0jJLi+Ck9YnmluQWVekALi1L1cktz"
        "SjITi4oSK6f08MQXpSbn5xWXFJUmlwDd1sMKVjmlhx1kPkjJ5CneDK1TnBmTprRPCZqi4c3ozeTN2DYlQ7CHNaWksiAVpIkpzWJKZwdEnrmH"
        "0WaKn5+f138gABPeDCVTkjqdBY5v4uJSOly+//nPzTsyO67aTwEK93BVIpyZIZAhDLIsQxTVKlmg5knKkbXJv6fa63MdC39sdwWimRfon6LU"
        "nMSSTKAXsOlnbAXr5ug4c18z4Pk7iC7uivic/MSUzLx07Hq8maB2xvN9nc+65IH9M5/HJXk32R0guiuJ1P017LV/x9EX+xdM6BRftZUTopu9"
        "Ij43NTEPq18hbhUIBYOt9hAaGkzslUTqO7ofknwu2MPsAyejKd5MIDPgbF7kxBcPSn18efFpqYklpUWpxfGZeRAN8RXxSYnJ2VgjBupNBcu5"
        "Zw9/Obrf/nGGx7pdL+fth6Vf5XmbrzQ07YQ6I76SsEn/F2p/5Mjba3/UqDb+bMYye5hJns/TNUQn74CYxAZ0U0l+Ad600qkvu/fgiRf2d3fr"
        "PHzExO0A1VhJUOPzxeekVMU+7q+71PXwcwwXRCNTfN4Ub57SJD0AUux+ng==",
        [[0.555433761665], [-0.448117872319], [0.0391546254911]],
    ),
}


def output(model: Any) -> np.ndarray:
    return np.asarray(model.transform(NEW) if isinstance(model, CCA) else model.predict(NEW))


@pytest.mark.filterwarnings("ignore:heschl.linear.* is now:DeprecationWarning")
@pytest.mark.parametrize("name", OLD)
def test_a_pickle_of_before_the_moves_is_read(name: str) -> None:
    text, expected = OLD[name]
    model = pickle.loads(zlib.decompress(base64.b64decode(text)))
    assert type(model) is getattr(heschl.linear, name.split()[0])
    np.testing.assert_allclose(output(model), expected, rtol=1e-9)
    assert name.split()[0] in repr(model) and model.get_params().keys() == type(model)().get_params().keys()
    if name.endswith("nested"):
        assert model.test_scores_.shape == (4, 1)


def named(data: bytes) -> set[tuple[str, str]]:
    """Module and name of everything that a pickle of protocol 4 imports."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    found = set()
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("SHORT_BINUNICODE", "BINUNICODE"):
            strings.append(str(argument))
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = strings[-1] if strings else ""
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            strings.append(memo[int(argument)])
        elif opcode.name == "STACK_GLOBAL":
            found.add((strings[-2], strings[-1]))
    return found


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("model", [
    LaggedRidge(2.0, range(2)), LaggedRidgeCV(range(2), alphas=[1.0, 10.0], cv=4, nested=True),
    BandedRidgeCV({"a": [0], "b": [1]}, [1.0, 10.0], lags=range(2), cv=2), CCA(1),
], ids=lambda model: type(model).__name__)  # fmt: skip
def test_a_pickle_names_what_is_public_alone(model: Any) -> None:
    rng = np.random.default_rng(0)
    H = rng.standard_normal((40, 2))
    model.fit(H, H + rng.standard_normal((40, 2)), segments=[5] * 8)
    data = pickle.dumps(model, 4)
    ours = {module for module, _ in named(data) if module.startswith("heschl")}
    assert ours == {"heschl.linear"}
    again = pickle.loads(data)
    np.testing.assert_array_equal(output(again), output(model))
    np.testing.assert_array_equal(output(copy.deepcopy(model)), output(model))


def test_a_setting_that_came_later_has_its_default() -> None:
    state = LaggedRidgeCV(range(2)).__getstate__()
    del state["nested"]
    model = LaggedRidgeCV.__new__(LaggedRidgeCV)
    model.__setstate__(state)
    assert model.nested is False and list(model.lags) == [0, 1]


def test_public_classes_pickle_by_their_public_names() -> None:
    for name in heschl.linear.__all__:
        value = getattr(heschl.linear, name)
        if isinstance(value, type):
            assert pickle.loads(pickle.dumps(value)) is value
            assert value.__module__ == "heschl.linear", name
