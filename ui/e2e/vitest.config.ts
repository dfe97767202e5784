import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: import.meta.dirname,
    environment: 'node',
    include: ['*.spec.ts'],
    globalSetup: ['setup.ts'],
    // One browser and one server: files run one after the other.
    fileParallelism: false,
    // A real model answers on a shared machine.
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
})
