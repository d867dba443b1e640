"""Screenshots small enough to be kept: a palette of 256 colours, which a page of text hardly fills.

Chromium decodes the picture and counts its colours, which takes it some milliseconds; the file is written here.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from playwright.async_api import Page

COLOURS_MAX = 256
PALETTE = """async ([encoded, coloursMax]) => {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes]));
    const { width, height } = picture;
    const context = new OffscreenCanvas(width, height).getContext('2d');
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    const bucketOf = (n) => ((pixels[n] >> 3) << 10) | ((pixels[n + 1] >> 3) << 5) | (pixels[n + 2] >> 3);
    const sums = new Map();
    for (let n = 0; n < pixels.length; n += 4) {
        const bucket = bucketOf(n);
        const sum = sums.get(bucket) || sums.set(bucket, [0, 0, 0, 0]).get(bucket);
        sum[0] += pixels[n]; sum[1] += pixels[n + 1]; sum[2] += pixels[n + 2]; sum[3] += 1;
    }
    const means = [...sums].sort((one, other) => other[1][3] - one[1][3])
        .map(([bucket, [r, g, b, count]]) => [bucket, [r, g, b].map((sum) => Math.round(sum / count))]);
    const palette = means.slice(0, coloursMax).map(([, colour]) => colour);
    const distance = (one, other) => one.reduce((sum, part, n) => sum + (part - other[n]) ** 2, 0);
    const nearest = (colour) => palette.reduce(
        (best, each, n) => distance(each, colour) < distance(palette[best], colour) ? n : best, 0);
    const places = new Map(means.map(([bucket, colour], n) => [bucket, n < coloursMax ? n : nearest(colour)]));
    const indices = new Uint8Array(width * height);
    for (let n = 0; n < indices.length; n += 1) indices[n] = places.get(bucketOf(n * 4));
    let text = '';
    for (let n = 0; n < indices.length; n += 32768) text += String.fromCharCode(...indices.subarray(n, n + 32768));
    return { width, height, palette: palette.flat(), indices: btoa(text) };
}"""


async def small_png(png: bytes, *, blank: Page) -> bytes:
    """The same picture with a palette. `blank` is a page that forbids nothing, such as about:blank."""
    told: dict[str, Any] = await blank.evaluate(PALETTE, [base64.b64encode(png).decode(), COLOURS_MAX])
    width, height = told["width"], told["height"]
    indices = base64.b64decode(told["indices"])
    lines = b"".join(b"\0" + indices[row * width : (row + 1) * width] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", bytes(told["palette"])), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
