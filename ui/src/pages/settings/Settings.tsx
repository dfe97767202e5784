/** Appearance, what this server is, and how to reach it. */
import { useQuery } from '@tanstack/react-query'
import { send } from '../../api/client'
import { Code } from '../../components/Code'
import { Details } from '../../components/Details'
import { Page, Scroll, Section } from '../../components/Page'
import { ThemeSwitch } from '../../components/Shell'
import { State, Status } from '../../components/Status'
import styles from './Settings.module.css'
import { serverUrl } from '../../lib/base'

export function Settings() {
  const version = useQuery({ queryKey: ['version'], queryFn: ({ signal }) => send('/version', { signal }).then((it) => it.text()) })
  const health = useQuery({ queryKey: ['health'], queryFn: ({ signal }) => send('/health', { signal }).then((it) => it.text()), refetchInterval: 10_000 })
  return (
    <Page title="Settings" documentTitle="Settings">
      <Scroll>
        <div className={styles.column}>
          <Section title="Appearance">
            <div className={styles.line}>
              <span className="muted">Theme</span>
              <ThemeSwitch />
            </div>
          </Section>
          <Section title="Server">
            <Details
              items={{
                address: <span className="num">{serverUrl}</span>,
                health: health.error ? <Status tone="bad">not answering</Status> : health.data ? <State value="OK" /> : '…',
                'speaks as MLflow': <span className="num">{version.data && !version.data.startsWith('<') ? version.data.trim() : '–'}</span>,
              }}
            />
          </Section>
          <Section title="Track from Python" aside={<span className="faint">any MLflow 3 client works unchanged</span>}>
            <Code language="python" text={`import mlflow\n\nmlflow.set_tracking_uri("${serverUrl}")\nmlflow.set_experiment("my-experiment")`} />
          </Section>
          <Section title="Call a model" aside={<span className="faint">the OpenAI protocol; the model is the name of an endpoint</span>}>
            <Code language="python" text={`from openai import OpenAI\n\nclient = OpenAI(base_url="${serverUrl}/v1", api_key="none")`} />
          </Section>
          <Section title="Privacy">
            <p className="muted">Everything on these pages comes from this server: no telemetry, no fonts or scripts from elsewhere.</p>
          </Section>
        </div>
      </Scroll>
    </Page>
  )
}
