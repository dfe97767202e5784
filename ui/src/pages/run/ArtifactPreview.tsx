/** One file, shown as what it is: picture, table, markdown, JSON or text; anything else can be downloaded. */
import { useQuery } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { artifactTextQuery, artifactUrl } from '../../api/artifacts'
import type { Run } from '../../api/types'
import { buttonClass } from '../../components/Button'
import { Code, Json } from '../../components/Code'
import { Failure, Loading } from '../../components/Empty'
import { Markdown } from '../../components/Markdown'
import { parseCsv } from '../../lib/csv'
import { languageOf } from '../../lib/highlight'
import styles from './Artifacts.module.css'
import { kindOf, type PreviewKind } from './previewKind'
import { parseSplit, tableFromCsv } from './preview'
import { PreviewTable } from './PreviewTable'
import { prefix } from '../../lib/base'

/** Rows parsed from a CSV; the rest is in the download. */
const csvRowsMax = 20_000

export function ArtifactPreview({ run, path }: { run: Run; path: string }) {
  const url = artifactUrl(run.info.artifact_uri, run.info.run_id, path)
  const kind = kindOf(path)
  const name = path.split('/').pop() ?? path
  return (
    <>
      <div className={styles.bar}>
        <span className="truncate grow num" title={path}>
          {path}
        </span>
        <a className={buttonClass()} href={prefix + url} download={name}>
          <Download />
          Download
        </a>
      </div>
      <div className={styles.content}>
        {kind === 'image' ? (
          <div className={styles.picture}>
            <img src={prefix + url} alt={name} />
          </div>
        ) : kind === 'none' ? (
          <p className={styles.hint}>There is no preview for this kind of file.</p>
        ) : (
          <TextPreview url={url} path={path} kind={kind} />
        )}
      </div>
    </>
  )
}

function TextPreview({ url, path, kind }: { url: string; path: string; kind: PreviewKind }) {
  const { data, error, isPending, refetch } = useQuery(artifactTextQuery(url))
  if (error) return <Failure error={error} what={path} onRetry={() => void refetch()} />
  if (isPending) return <Loading />
  if (kind === 'markdown')
    return (
      <div className={styles.markdown}>
        <Markdown text={data} />
      </div>
    )
  if (kind === 'table') return <PreviewTable table={tableFromCsv(parseCsv(data, path.toLowerCase().endsWith('.tsv') ? '\t' : ',', csvRowsMax + 1))} label={path} />
  if (kind === 'evaluation' || kind === 'json') {
    const table = parseSplit(data)
    return table ? <PreviewTable table={table} label={path} /> : <Json value={data} bare label={path} />
  }
  return <Code text={data} language={languageOf(path)} bare wrap label={path} />
}
