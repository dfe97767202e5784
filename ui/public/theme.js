// Runs before the first paint; src/lib/theme.ts keeps it up to date afterwards.
try {
  var choice = localStorage.getItem('tidegate.theme')
  var dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
} catch (_) {
  document.documentElement.dataset.theme = 'light'
}
