// Pins the TensorFlow library of the native backend, and names the needed files in it. The build uses the wheel only as a zip
// file: it installs no Python package, and any Python 3 with pip can download it.

/** The pinned wheel. `tag` selects the same file for every Python version. */
export const WHEEL = {
  package: 'tensorflow-cpu',
  version: '2.18.1',
  sha256: '810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298',
  megabytes: 230,
  tag: ['--implementation', 'cp', '--python-version', '3.11', '--platform', 'manylinux2014_x86_64'],
} as const

/** Shared libraries inside the wheel, and the second name under which the linker looks for each. */
export const LIBRARIES = [
  { member: 'tensorflow/libtensorflow_cc.so.2', link: 'libtensorflow.so' },
  { member: 'tensorflow/libtensorflow_framework.so.2', link: 'libtensorflow_framework.so' },
] as const

/** Folders of the wheel whose headers the addon includes, directly or not. */
export const HEADER_FOLDERS = [
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/platform/',
  'tensorflow/include/tsl/',
  'tensorflow/include/xla/tsl/',
] as const

/** Folder name of one build in the user's cache: version and checksum, so that a new pin never uses an old build. */
export const BUILD_NAME = `${WHEEL.version}-${WHEEL.sha256.slice(0, 8)}`
