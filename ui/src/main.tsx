/** Starts the app. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api/client'
import './base.css'
import { startTheme } from './lib/theme'
import { redirectHash, router } from './routes'

startTheme()
redirectHash()

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      // A 4xx is an answer; asking again changes nothing.
      retry: (failures, error) => failures < 1 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
})

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
