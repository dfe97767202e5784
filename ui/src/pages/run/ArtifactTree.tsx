/** Folders open in place; each is listed when it is first opened. */
import { useQuery } from '@tanstack/react-query'
import { ChevronDown, ChevronRight, File, FileImage, FileJson, FileText, Folder, Sheet } from 'lucide-react'
import { useState, type KeyboardEvent, type ReactNode } from 'react'
import { artifactsQuery } from '../../api/artifacts'
import { messageOf } from '../../api/client'
import type { FileInfo } from '../../api/types'
import { formatBytes } from '../../lib/format'
import { kindOf, type PreviewKind } from './previewKind'
import styles from './Artifacts.module.css'

type Props = { runId: string; files: FileInfo[]; current?: string; onOpen: (path: string) => void }

const icons: Record<PreviewKind, ReactNode> = { image: <FileImage />, json: <FileJson />, table: <Sheet />, evaluation: <Sheet />, markdown: <FileText />, text: <FileText />, none: <File /> }

export function ArtifactTree(props: Props) {
  return (
    <ul role="tree" aria-label="Files" onKeyDown={walk}>
      <Level {...props} depth={0} />
    </ul>
  )
}

/** Up and down between visible entries; the entries themselves are buttons. */
function walk(event: KeyboardEvent<HTMLUListElement>) {
  const step = event.key === 'ArrowDown' || event.key === 'j' ? 1 : event.key === 'ArrowUp' || event.key === 'k' ? -1 : 0
  if (!step) return
  event.preventDefault()
  const entries = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=treeitem] > button')]
  entries[entries.indexOf(document.activeElement as HTMLElement) + step]?.focus()
}

function Level({ files, depth, ...rest }: Props & { depth: number }) {
  const ordered = files.toSorted((a, b) => Number(b.is_dir ?? false) - Number(a.is_dir ?? false) || a.path.localeCompare(b.path))
  return ordered.map((file) => (file.is_dir ? <Dir key={file.path} dir={file} depth={depth} {...rest} /> : <Leaf key={file.path} file={file} depth={depth} {...rest} />))
}

const nameOf = (file: FileInfo) => file.path.split('/').pop() ?? file.path

function Dir({ dir, depth, ...rest }: Omit<Props, 'files'> & { dir: FileInfo; depth: number }) {
  const [open, setOpen] = useState(depth === 0 || (rest.current ?? '').startsWith(`${dir.path}/`))
  const { data, error } = useQuery({ ...artifactsQuery(rest.runId, dir.path), enabled: open })
  return (
    <li role="treeitem" aria-expanded={open} aria-selected={false}>
      <button type="button" className={styles.entry} style={{ paddingLeft: 8 + depth * 16 }} onClick={() => setOpen(!open)}>
        {open ? <ChevronDown /> : <ChevronRight />}
        <Folder />
        <span className="truncate grow">{nameOf(dir)}</span>
      </button>
      {open && (
        <ul role="group">
          {error && <li className={styles.error}>{messageOf(error)}</li>}
          {data && <Level {...rest} files={data} depth={depth + 1} />}
        </ul>
      )}
    </li>
  )
}

function Leaf({ file, depth, current, onOpen }: Pick<Props, 'current' | 'onOpen'> & { file: FileInfo; depth: number }) {
  return (
    <li role="treeitem" aria-selected={file.path === current}>
      <button type="button" className={styles.entry} style={{ paddingLeft: 26 + depth * 16 }} title={file.path} onClick={() => onOpen(file.path)}>
        {icons[kindOf(file.path)]}
        <span className="truncate grow">{nameOf(file)}</span>
        <span className={styles.size}>{formatBytes(file.file_size)}</span>
      </button>
    </li>
  )
}
