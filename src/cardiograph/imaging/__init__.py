"""Pages (images of ECGs) as pixels: decoding, checks, grid detection, hashes, augmentation. No patients, no labels."""
