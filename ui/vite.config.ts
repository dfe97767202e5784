import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

/** The server that `npm run dev` forwards API calls to. */
const server = process.env.TIDEGATE_URL ?? 'http://127.0.0.1:5000'
const apiPaths = ['/api', '/ajax-api', '/v1', '/endpoints', '/health', '/version', '/get-artifact']

export default defineConfig(({ command }) => ({
  // A built page does not know at which address it will be served; the server tells it (`ui/lib.rs`).
  base: command === 'build' ? './' : '/',
  plugins: [react()],
  server: { host: '127.0.0.1', proxy: Object.fromEntries(apiPaths.map((path) => [path, { target: server }])) },
  build: {
    target: 'es2022',
    // Fonts stay files: the content security policy allows no data: fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/test-setup.ts'],
    css: { modules: { classNameStrategy: 'non-scoped' } },
  },
}))
