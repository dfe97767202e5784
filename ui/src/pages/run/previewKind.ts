/** How a file is shown, by its name. */

export type PreviewKind = 'image' | 'json' | 'table' | 'evaluation' | 'markdown' | 'text' | 'none'

const kinds: [RegExp, PreviewKind][] = [
  [/(^|\/)eval_results_table\.json$/, 'evaluation'],
  [/\.(png|jpe?g|gif|webp|svg|bmp|ico)$/i, 'image'],
  [/\.(csv|tsv)$/i, 'table'],
  [/\.(md|markdown)$/i, 'markdown'],
  [/\.(json|ipynb|geojson)$/i, 'json'],
  [/\.(txt|log|ya?ml|toml|ini|cfg|py|rs|js|ts|sh|sql|jsonl|xml|html?|css|r|conf|env|rst|diff|patch)$/i, 'text'],
  [/(^|\/)(MLmodel|MLproject|Dockerfile|Makefile|LICENSE|requirements\.txt)$/, 'text'],
]

export const kindOf = (path: string): PreviewKind => kinds.find(([pattern]) => pattern.test(path))?.[1] ?? 'none'
