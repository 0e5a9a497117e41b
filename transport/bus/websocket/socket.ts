// WebSockets that end. Each has connections of its own, with its own authority and proxy. Guarantees: after close() the owner hears that
// the socket is closed, within a second also where the line is silent; the reason of a failed connection can be read, which a WebSocket
// keeps to itself.
// A WebSocket waits for the other end: for its last bytes to be sent, and for the answer to its closing frame. On a line that a firewall
// has forgotten neither comes, and the library would never connect again.

import { Agent, type Dispatcher, ProxyAgent, WebSocket } from 'undici'

export interface LineOptions {
  /** PEM of the authorities that may sign the server's certificate, in the place of the system's. */
  readonly ca?: string
  /** "http://[user:password@]host:port" */
  readonly proxy?: string
}

/** Milliseconds that the other end has to answer a closing frame. */
const CLOSING_MS = 1000

/** Opens a WebSocket. `onFailure` receives the reason of each connection that fails. `end` ends it at once. */
export function openSocket(
  url: string,
  { ca, proxy }: LineOptions,
  onFailure: (reason: Error) => void,
): { readonly socket: WebSocket; readonly end: () => void } {
  // The library gives a connection that is not there yet its whole time, also after the end of its agent. Node ends it by the signal.
  const ending = new AbortController()
  const { signal } = ending
  const tls = { ...(ca === undefined ? {} : { ca }), signal }
  const line = proxy
    ? new ProxyAgent({ uri: proxy, requestTls: tls, proxyTls: { signal } as object })
    : new Agent({ connect: tls })
  const socket = new WebSocket(url, { dispatcher: line.compose(reporting(onFailure)) })
  const destroy = (): void => void line.destroy().catch(() => {})
  socket.addEventListener('close', destroy)
  const close = socket.close.bind(socket)
  let closing: NodeJS.Timeout | undefined
  Object.defineProperties(socket, {
    // The library closes a socket only once it has sent its last bytes.
    bufferedAmount: { value: 0 },
    close: {
      value: () => {
        closing ??= setTimeout(() => {
          destroy()
          // A handler that the library has removed needs no event.
          socket.onclose?.(new CloseEvent('close', { wasClean: false }))
        }, CLOSING_MS)
        close()
      },
    },
  })
  socket.addEventListener('close', () => clearTimeout(closing))
  const end = (): void => {
    ending.abort()
    destroy()
    socket.close()
  }
  return { socket, end }
}

/** Passes on what the dispatcher does, and reports why a request failed: its connection, or an answer that is no upgrade. */
function reporting(onFailure: (reason: Error) => void): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart: (...given) => handler.onRequestStart?.(...given),
      onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
      onResponseStart(...given) {
        onFailure(new Error(`the answer to the upgrade to a WebSocket is ${given[1]}`))
        return handler.onResponseStart?.(...given)
      },
      onResponseData: (...given) => handler.onResponseData?.(...given),
      onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
      onResponseError(controller, error) {
        onFailure(error)
        return handler.onResponseError?.(controller, error)
      },
    })
}
