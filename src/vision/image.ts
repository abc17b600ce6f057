import sharp from 'sharp';

import { SCRIPT_DEADLINE } from '../brain/brain.problems.js';
import { ProblemType } from '../platform/http/problem.js';

export const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/webp'];
export const MAX_IMAGE_BYTES = 32 * 1024 * 1024;
/** A phone's best photo has 50 megapixels; more costs memory and shows no more of a plant. */
export const MAX_IMAGE_PIXELS = 64_000_000;
/** A turned photo of 50 megapixels fits; a deep interlaced one does not. */
const MAX_WHOLE_BYTES = 200_000_000;
/** Enough for a leaf's edge, little enough for a small board; the script is tuned at this size. */
export const ANALYSED_SIDE = 1024;
const SMALLEST_SIDE = 8;

export const IMAGE_UNREADABLE = new ProblemType(
  'IMAGE.UNREADABLE',
  422,
  'The body is no image that can be read whole',
);
export const IMAGE_TOO_LARGE = new ProblemType(
  'IMAGE.TOO_LARGE',
  413,
  `The image has more than ${MAX_IMAGE_PIXELS / 1e6} megapixels`,
);
export const IMAGE_TOO_SMALL = new ProblemType(
  'IMAGE.TOO_SMALL',
  422,
  `The image is narrower or lower than ${SMALLEST_SIDE} pixels`,
);

export interface Pixels {
  data: Buffer;
  width: number;
  height: number;
}

/** What the photo was before it was shrunk. */
export interface Photo extends Pixels {
  format: string;
  originalWidth: number;
  originalHeight: number;
}

// An image is looked at once; libvips' cache would only hold memory.
sharp.cache(false);

/**
 * Decodes, orients, strips and shrinks an upload to raw RGB.
 * @throws IMAGE_UNREADABLE (no image, truncated, another format), IMAGE_TOO_LARGE, IMAGE_TOO_SMALL, SCRIPT_DEADLINE
 */
export async function decodePhoto(upload: Buffer, leftMs: number): Promise<Photo> {
  if (upload.length === 0) throw IMAGE_UNREADABLE.happened('The body is empty');
  // `failOn: truncated` refuses half an upload, which would otherwise be analysed as grey.
  const image = sharp(upload, {
    failOn: 'truncated',
    limitInputPixels: MAX_IMAGE_PIXELS,
    sequentialRead: true,
  });
  const { format, width, height, pages, ...header } = await image.metadata().catch(unreadable);
  // The header is read before any pixel is: a bomb ends here.
  if (width * height > MAX_IMAGE_PIXELS)
    throw IMAGE_TOO_LARGE.happened(`The image has ${width} × ${height} pixels`);
  if (Math.min(width, height) < SMALLEST_SIDE) {
    throw IMAGE_TOO_SMALL.happened(`The image has ${width} × ${height} pixels`);
  }
  if (!IMAGE_TYPES.includes(`image/${format}`) || (pages ?? 1) > 1) {
    throw IMAGE_UNREADABLE.happened(`A single JPEG, PNG or WebP is wanted, not ${format}`);
  }
  // Those that cannot be read row by row are held in memory whole.
  if (header.isProgressive || (header.orientation ?? 1) > 1) {
    const bytes = width * height * header.channels * (header.depth === 'uchar' ? 1 : 2);
    if (bytes > MAX_WHOLE_BYTES) {
      throw IMAGE_TOO_LARGE.happened('The image is interlaced or turned, and too large to be held whole');
    }
  }
  const { data, info } = await image
    .autoOrient()
    // Averages what it joins, as the evaluation does; a sharper kernel puts false colours along edges.
    .resize(ANALYSED_SIDE, ANALYSED_SIDE, { fit: 'inside', withoutEnlargement: true, kernel: 'linear' })
    .flatten({ background: 'white' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    // In whole seconds, and 0 would be for ever.
    .timeout({ seconds: Math.max(1, Math.ceil(leftMs / 1000)) })
    .toBuffer({ resolveWithObject: true })
    .catch(unreadable);
  // A long strip is large enough as it comes, and not any more as the script would get it.
  if (Math.min(info.width, info.height) < SMALLEST_SIDE) {
    throw IMAGE_TOO_SMALL.happened(
      `The image has ${width} × ${height} pixels, and ${info.width} × ${info.height} once shrunk for the analysis`,
    );
  }
  return {
    data: info.channels === 3 ? data : await asRgb(data, info.width, info.height, info.channels),
    width: info.width,
    height: info.height,
    format,
    originalWidth: width,
    originalHeight: height,
  };
}

export function encodeJpeg({ data, width, height }: Pixels): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 80 })
    .toBuffer();
}

async function asRgb(data: Buffer, width: number, height: number, channels: 1 | 2 | 3 | 4): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels } })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer();
}

function unreadable(error: Error): never {
  if (/pixel limit/.test(error.message)) throw IMAGE_TOO_LARGE.happened();
  if (/timeout: \d+% complete/.test(error.message)) {
    throw SCRIPT_DEADLINE.happened({ detail: 'The photo could not be decoded in time', cause: error });
  }
  throw IMAGE_UNREADABLE.happened({ cause: error });
}
