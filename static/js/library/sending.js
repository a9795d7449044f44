// @ts-check
// Files on their way to the server: small ones in one request each, large ones in chunks that go on where they stopped.
import { csrfToken, getJson, postJson } from "../core/fetch.js";
import { t } from "../core/texts.js";

/** @typedef {import("./chosen_files.js").Chosen} Chosen */
/** @typedef {{upload_id: string, files_url: string, large_url: string, files?: {name: string, size: number, offset: number}[]}} Upload */

const AT_ONCE = 6;
const LARGE = 4 * 2 ** 20;
const PAUSES = [0.5, 1, 2, 4, 8, 15, 30, 30, 30];

/** @param {string} url of the uploads; @returns {Promise<Upload>} */
export function openUpload(url) {
  return postJson(url, {});
}

/**
 * An upload of an earlier visit, with what has arrived of it; null where it is gone.
 * @param {string} url
 * @returns {Promise<Upload | null>}
 */
export async function findUpload(url) {
  try {
    return await getJson(url);
  } catch {
    return null;
  }
}

/**
 * Send every file that is not there yet.
 * @param {Upload} upload
 * @param {Chosen[]} files
 * @param {(name: string, bytes: number) => void} onProgress bytes of that file which have arrived
 */
export async function sendAll(upload, files, onProgress) {
  const there = new Map((upload.files ?? []).map((one) => [one.name, one]));
  const queue = files.filter(({ name, file }) => {
    const known = there.get(name);
    const isWhole = known !== undefined && known.size === file.size && known.offset === file.size;
    if (isWhole) onProgress(name, file.size);
    return !isWhole;
  });

  async function work() {
    for (let next = queue.shift(); next; next = queue.shift()) await sendOne(upload, next, onProgress);
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/**
 * @param {Upload} upload
 * @param {Chosen} chosen
 * @param {(name: string, bytes: number) => void} onProgress
 */
async function sendOne(upload, { name, file }, onProgress) {
  const query = new URLSearchParams({ name, mark: String(file.lastModified) });
  if (file.size <= LARGE) {
    await patiently(name, () => send("POST", `${upload.files_url}?${query}`, file, (bytes) => onProgress(name, bytes)));
    return onProgress(name, file.size);
  }
  query.set("size", String(file.size));
  const { file_url, chunk_bytes, offset } = (await patiently(name, () => send("POST", `${upload.large_url}?${query}`, null))).body;
  for (let at = offset; at < file.size; ) {
    const chunk = file.slice(at, at + chunk_bytes);
    const from = at;
    const target = `${file_url}?${new URLSearchParams({ offset: String(from), sha256: await digest(chunk) })}`;
    const answer = await patiently(name, async () => {
      const sent = await send("PATCH", target, chunk, (bytes) => onProgress(name, from + bytes));
      // The chunk may have arrived though its answer was lost: then the server says where to go on.
      const told = sent.status === 409 ? sent.body?.error?.detail?.offset : undefined;
      return typeof told === "number" && told > from ? { status: 200, body: { offset: told } } : sent;
    });
    at = answer.body.offset;
    onProgress(name, at);
  }
}

/**
 * Try again while no answer comes or the server is in trouble; a refusal is final.
 * @param {string} name
 * @param {() => Promise<{status: number, body: any}>} act
 */
async function patiently(name, act) {
  for (let attempt = 0; ; attempt++) {
    const answer = await act();
    if (answer.status >= 200 && answer.status < 300) return answer;
    const isFinal = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
    if (isFinal || attempt === PAUSES.length) {
      throw new Error(answer.body?.error?.message ?? t("{name} was not accepted: no answer from the server.", { name }));
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 * PAUSES[attempt]));
  }
}

/**
 * SHA-256 in hex; empty where the page may not compute it (an origin that is not secure).
 * @param {Blob} chunk
 */
async function digest(chunk) {
  if (!globalThis.crypto?.subtle) return "";
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await chunk.arrayBuffer()));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * XMLHttpRequest, since fetch tells nothing of how much has been sent.
 * @param {string} method
 * @param {string} url
 * @param {Blob | null} body
 * @param {(bytes: number) => void} [onProgress]
 * @returns {Promise<{status: number, body: any}>} status 0 without an answer
 */
function send(method, url, body, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.responseType = "json";
    const all = { "X-CSRF-Token": csrfToken(), "X-Requested-With": "fetch", Accept: "application/json", "Content-Type": "application/octet-stream" };
    for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value);
    if (onProgress) request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () => resolve({ status: request.status, body: request.response }));
    for (const fault of ["error", "abort", "timeout"]) request.addEventListener(fault, () => resolve({ status: 0, body: null }));
    request.send(body);
  });
}
