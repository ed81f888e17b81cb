// A text as a picture of a QR code (BMP, 24 bits).
import { createRequire } from 'node:module';
import path from 'node:path';

/** Pixels to a module: as a photograph has them. */
const MODULE = 5;

export function pictureOf(text, web) {
  const { encode } = createRequire(path.join(web, 'package.json'))('uqr');
  const code = encode(text, { ecc: 'L', border: 3 });
  const side = code.size * MODULE;
  const row = Math.ceil((side * 3) / 4) * 4;
  const picture = Buffer.alloc(54 + row * side, 0xff);
  picture.fill(0, 0, 54);
  picture.write('BM', 0, 'latin1');
  picture.writeUInt32LE(picture.length, 2);
  picture.writeUInt32LE(54, 10);
  picture.writeUInt32LE(40, 14);
  picture.writeInt32LE(side, 18);
  // Negative: the first row is the upper one.
  picture.writeInt32LE(-side, 22);
  picture.writeUInt16LE(1, 26);
  picture.writeUInt16LE(24, 28);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      if (code.data[Math.floor(y / MODULE)][Math.floor(x / MODULE)]) {
        picture.fill(0, 54 + y * row + x * 3, 57 + y * row + x * 3);
      }
    }
  }
  return picture;
}
