/** What all of the server's addresses begin with (`--static-prefix`); the server writes it into the page. */
export const prefix: string = document.querySelector('meta[name="tidegate-prefix"]')?.getAttribute('content') ?? ''

/** The server's address as clients are told it. */
export const serverUrl: string = location.origin + prefix
