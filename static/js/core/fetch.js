// @ts-check
// Requests to the own server: JSON, forms and HTML fragments. A refusal is thrown with the server's own words.
import { t } from "./texts.js";

/** A request that did not succeed. `message` is fit to be shown; `status` is 0 when no answer came. */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   * @param {any} [body]
   */
  constructor(message, status, body = null) {
    super(message);
    this.name = "RequestError";
    this.status = status;
    this.body = body;
  }
}

/** @returns {string} */
export function csrfToken() {
  const meta = document.querySelector('meta[name="csrf-token"]');
  return meta instanceof HTMLMetaElement ? meta.content : "";
}

/**
 * The server's reason in whatever form it came: {error: {message}}, {message}, {detail} or an error page.
 * @param {any} body
 * @param {number} status
 * @returns {string}
 */
function reason(body, status) {
  if (body && typeof body === "object") {
    const said = body.error?.message ?? body.error ?? body.message ?? body.detail ?? body.title;
    if (typeof said === "string" && said) return said;
    if (Array.isArray(said)) return said.map((one) => one?.msg ?? String(one)).join("; ");
  }
  if (typeof body === "string" && body) {
    if (!body.trimStart().startsWith("<")) return body.slice(0, 300);
    const page = new DOMParser().parseFromString(body, "text/html");
    const words = page.querySelector("[data-error-message]")?.textContent?.trim();
    if (words) return words;
  }
  if (status === 413) return t("Too large for the server.");
  if (status === 429) return t("Too many requests at once. Try again in a moment.");
  return t("The server answered with status {status}.", { status: String(status) });
}

/**
 * @param {string} url
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 */
async function request(url, options) {
  const headers = new Headers(options.headers);
  headers.set("X-Requested-With", "fetch");
  const method = (options.method ?? "GET").toUpperCase();
  if (method !== "GET") headers.set("X-CSRF-Token", csrfToken());
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new RequestError(t("No answer from the server. Is the connection up?"), 0);
  }
  if (response.ok) return response;
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const body = await (isJson ? response.json() : response.text()).catch(() => null);
  if (response.status === 401) {
    const back = encodeURIComponent(location.pathname + location.search);
    location.assign(`/sign-in?next=${back}`);
  }
  throw new RequestError(reason(body, response.status), response.status, body);
}

/**
 * @param {Response} response
 * @returns {Promise<any>} JSON as a value, 204 as null, everything else as text
 */
async function read(response) {
  if (response.status === 204) return null;
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  return isJson ? response.json() : response.text();
}

/**
 * @param {string} url
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function getJson(url, options = {}) {
  return read(await request(url, { ...options, headers: { Accept: "application/json" } }));
}

/**
 * @param {string} url
 * @param {unknown} body sent as JSON
 * @param {{method?: string, signal?: AbortSignal, keepalive?: boolean}} [options] method: POST unless said
 * @returns {Promise<any>}
 */
export async function postJson(url, body, options = {}) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  return read(await request(url, { method: "POST", ...options, headers, body: JSON.stringify(body) }));
}

/**
 * Sends a form as it would send itself; a plain object becomes form fields, an array one field per entry.
 * @param {string} url
 * @param {HTMLFormElement | FormData | Record<string, unknown>} form
 * @param {{signal?: AbortSignal, accept?: string}} [options] accept: application/json unless said
 * @returns {Promise<any>}
 */
export async function postForm(url, form, options = {}) {
  const { accept = "application/json, text/html;q=0.9", ...rest } = options;
  return read(await request(url, { method: "POST", ...rest, headers: { Accept: accept }, body: formBody(form) }));
}

/**
 * @param {HTMLFormElement | FormData | Record<string, unknown>} form
 * @returns {FormData | URLSearchParams}
 */
function formBody(form) {
  if (form instanceof FormData) return form;
  if (form instanceof HTMLFormElement) {
    const data = new FormData(form);
    if (form.enctype === "multipart/form-data") return data;
    return new URLSearchParams([...data].map(([name, value]) => [name, String(value)]));
  }
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(form)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) fields.append(name, String(one));
    }
  }
  return fields;
}

/**
 * An HTML fragment from the server; with a target it takes the place of what the target holds, the focus kept where it can be.
 * @param {string} url
 * @param {Element | null} [target]
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<string>}
 */
export async function getFragment(url, target = null, options = {}) {
  target?.setAttribute("aria-busy", "true");
  try {
    const html = await read(await request(url, { ...options, headers: { Accept: "text/html", "X-Fragment": "1" } }));
    if (target) swap(target, html);
    return html;
  } finally {
    target?.removeAttribute("aria-busy");
  }
}

/**
 * Replaces what the target holds. Only for HTML that the own server escaped.
 * @param {Element} target
 * @param {string} html
 */
export function swap(target, html) {
  const focused = target.contains(document.activeElement) ? document.activeElement?.id : "";
  target.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  target.dispatchEvent(new CustomEvent("swapped", { bubbles: true }));
}
