// @ts-check
// Server-sent events: one stream a tab, taken up again after a break.

/**
 * @typedef {object} StreamOptions
 * @property {Record<string, (data: any, event: MessageEvent) => void>} on one function per event name; data is the parsed JSON, or the text
 * @property {string[]} [last] names of the events after which nothing more comes (default: "end")
 * @property {(state: "open" | "waiting" | "closed") => void} [onState]
 */

/**
 * Opens a stream. A broken one is opened again after 1, 2, 4 … at most 30 seconds, from where it broke (Last-Event-ID is kept by
 * the browser while it reconnects by itself; a server that refused is asked anew).
 * @param {string} url
 * @param {StreamOptions} options
 * @returns {() => void} closes it
 */
export function openStream(url, { on, last = ["end"], onState }) {
  /** @type {EventSource | null} */
  let source = null;
  let failures = 0;
  let timer = 0;
  let isClosed = false;

  function close() {
    if (isClosed) return;
    isClosed = true;
    clearTimeout(timer);
    source?.close();
    onState?.("closed");
  }

  /**
   * @param {string} name
   * @param {MessageEvent} event
   */
  function deliver(name, event) {
    on[name]?.(parse(event.data), event);
    if (last.includes(name)) close();
  }

  function open() {
    const opened = new EventSource(url);
    source = opened;
    opened.addEventListener("open", () => {
      failures = 0;
      onState?.("open");
    });
    opened.addEventListener("error", (event) => {
      if (isClosed || event instanceof MessageEvent) return;
      onState?.("waiting");
      if (opened.readyState !== EventSource.CLOSED) return;
      opened.close();
      timer = window.setTimeout(open, Math.min(30, 2 ** failures++) * 1000);
    });
    for (const name of new Set([...Object.keys(on), ...last])) {
      opened.addEventListener(name, (event) => {
        if (event instanceof MessageEvent) deliver(name, event);
      });
    }
  }

  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !isClosed) open();
  });
  open();
  return close;
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
