"""The fold of a row without key: a hash of the seed and the row's content.

Written again here from its description (src/ml/ml_hash.h, src/train/train_rows.c), not called.
"""
import struct

MASK = (1 << 64) - 1


def hash_word(state, word):
    product = (word ^ 0xA0761D6478BD642F) * (state ^ 0xE7037ED1A0B428DB)
    return (product ^ (product >> 64)) & MASK


def hash_number(state, value):
    return hash_word(state, struct.unpack("<Q", struct.pack("<d", value + 0.0))[0])


def hash_text(state, text):
    data = text.encode()
    for at in range(0, len(data) // 8 * 8, 8):
        state = hash_word(state, int.from_bytes(data[at:at + 8], "little"))
    if len(data) % 8:
        state = hash_word(state, int.from_bytes(data[len(data) // 8 * 8:], "little"))
    return hash_word(state, len(data))


def fold(values, seed, folds):
    lanes = [1, 2, 3, 4]
    for i, value in enumerate(values):
        lanes[i & 3] = hash_text(lanes[i & 3], value) if isinstance(value, str) else hash_number(lanes[i & 3], float(value))
    state = hash_word(hash_word(lanes[0], lanes[1]), hash_word(lanes[2], lanes[3]))
    return int((hash_word(state, seed ^ 0x466F6C64) >> 11) * 2.0 ** -53 * folds)
