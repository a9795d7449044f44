// @ts-check
// The files a person chose or dropped, folders opened, each with the name that tells its class.

/** @typedef {{name: string, file: File}} Chosen */

const DEEPEST = 12;

/**
 * @param {FileList} files of an <input type=file>, of a folder or not
 * @returns {Chosen[]}
 */
export function filesOfInput(files) {
  return withoutWrapper([...files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
}

/**
 * @param {DataTransfer} transfer
 * @returns {Promise<Chosen[]>}
 */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  /** @type {Chosen[]} */
  const found = [];
  for (const entry of entries) await collect(entry, entry.name, found, 0);
  return entries.length === 1 && entries[0].isDirectory ? withoutWrapper(found) : found;
}

/**
 * @param {FileSystemEntry} entry
 * @param {string} name
 * @param {Chosen[]} found
 * @param {number} depth
 */
async function collect(entry, name, found, depth) {
  if (entry.isFile) {
    const one = /** @type {FileSystemFileEntry} */ (entry);
    found.push({ name, file: await new Promise((resolve, reject) => one.file(resolve, reject)) });
  } else if (depth < DEEPEST) {
    for (const inner of await listing(/** @type {FileSystemDirectoryEntry} */ (entry))) {
      await collect(inner, `${name}/${inner.name}`, found, depth + 1);
    }
  }
}

/**
 * Browsers list a folder in portions; an empty one is the end.
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<FileSystemEntry[]>}
 */
async function listing(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return all;
    all.push(...portion);
  }
}

/**
 * The chosen folder that holds the class folders is no class itself; one that holds pictures only is.
 * @param {Chosen[]} files
 * @returns {Chosen[]}
 */
function withoutWrapper(files) {
  const wrapper = `${files[0]?.name.split("/")[0]}/`;
  const isWrapped = files.every(({ name }) => name.startsWith(wrapper));
  const hasFolders = files.some(({ name }) => name.slice(wrapper.length).includes("/"));
  if (!isWrapped || !hasFolders) return files;
  return files.map(({ name, file }) => ({ name: name.slice(wrapper.length), file }));
}
