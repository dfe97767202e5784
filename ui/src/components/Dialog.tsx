/** A dialog over the page, and the confirmation built from it. */
import { Dialog as Radix } from 'radix-ui'
import { X } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { messageOf } from '../api/client'
import { Button, IconButton } from './Button'
import styles from './Dialog.module.css'

type Props = { open: boolean; onClose: () => void; title: string; description?: ReactNode; children?: ReactNode; footer?: ReactNode; width?: number }

export function Dialog({ open, onClose, title, description, children, footer, width = 460 }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className={styles.veil} />
        <Radix.Content className={styles.panel} style={{ width }} {...(description ? {} : { 'aria-describedby': undefined })}>
          <div className={styles.head}>
            <Radix.Title asChild>
              <h2>{title}</h2>
            </Radix.Title>
            <Radix.Close asChild>
              <IconButton label="Close" icon={<X />} />
            </Radix.Close>
          </div>
          {description && (
            <Radix.Description asChild>
              <div className={styles.description}>{description}</div>
            </Radix.Description>
          )}
          {children && <div className={styles.body}>{children}</div>}
          {footer && <div className={styles.foot}>{footer}</div>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

type FormProps = Omit<Props, 'footer' | 'children'> & { action: string; danger?: boolean; disabled?: boolean; onSubmit: () => Promise<unknown>; children?: ReactNode }

/** A dialog with one action; it stays open and says why when the action fails. */
export function FormDialog({ action, danger, disabled, onSubmit, children, onClose, ...rest }: FormProps) {
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const close = () => {
    setFailure(undefined)
    onClose()
  }
  const submit = async () => {
    setBusy(true)
    setFailure(undefined)
    try {
      await onSubmit()
      close()
    } catch (error) {
      setFailure(messageOf(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog {...rest} onClose={close}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        {children}
        {failure && (
          <div role="alert" className={styles.failure}>
            {failure}
          </div>
        )}
        <div className={styles.foot}>
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" tone={danger ? 'danger' : 'primary'} busy={busy} disabled={disabled}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
