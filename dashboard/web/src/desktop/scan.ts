/** Reads QR codes out of pictures. The library is loaded when somebody scans. */

/** Larger pictures are made smaller: a code fills most of one, and its modules stay several pixels wide. */
const SIDE_MAX = 1600;

type Source = HTMLVideoElement | ImageBitmap;

async function decode(source: Source, width: number, height: number, sideMax: number): Promise<string | undefined> {
  const scale = Math.min(1, sideMax / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null || canvas.width === 0 || canvas.height === 0) {
    return undefined;
  }
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  const { decodeQR } = await import('qr/decode.js');
  try {
    return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height));
  } catch {
    return undefined;
  }
}

/** The text of the code in an image file. */
export async function readImage(file: Blob): Promise<string | undefined> {
  let picture: ImageBitmap;
  try {
    picture = await createImageBitmap(file);
  } catch {
    return undefined;
  }
  const { width, height } = picture;
  return (await decode(picture, width, height, SIDE_MAX)) ?? (await decode(picture, width, height, SIDE_MAX / 2));
}

/** The text of the code that a camera sees now. */
export async function readVideo(video: HTMLVideoElement): Promise<string | undefined> {
  return decode(video, video.videoWidth, video.videoHeight, SIDE_MAX);
}
