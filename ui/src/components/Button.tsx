/** Buttons and links that look like buttons: quiet by default, one primary per page. */
import type { ButtonHTMLAttributes, ReactNode } from 'react'
import styles from './Button.module.css'

type Tone = 'default' | 'primary' | 'danger' | 'ghost'
type Props = ButtonHTMLAttributes<HTMLButtonElement> & { tone?: Tone; icon?: ReactNode; busy?: boolean; pressed?: boolean }

export function Button({ tone = 'default', icon, busy, pressed, className = '', children, disabled, ...rest }: Props) {
  return (
    <button type="button" {...rest} aria-pressed={pressed} aria-busy={busy || undefined} disabled={disabled || busy} className={`${styles.button} ${styles[tone]} ${children ? '' : styles.square} ${className}`}>
      {icon}
      {children}
    </button>
  )
}

/** An icon alone; the label is read out and shown on hover. */
export function IconButton({ label, icon, ...rest }: Omit<Props, 'children' | 'icon'> & { label: string; icon: ReactNode }) {
  return <Button tone="ghost" {...rest} icon={icon} aria-label={label} title={rest.title ?? label} />
}

/** The class for an anchor or router link that should look like a button. */
export const buttonClass = (tone: Tone = 'default'): string => `${styles.button} ${styles[tone]}`
