"""Builders for panels and dashboards. The other files define one dashboard each.

Expressions have placeholders. `{@}` (also `{@,path="/graphql"}`) selects by the dashboard's variables. `{#}` selects a
machine, which has no cluster in PMM. `[@]` is the range of a rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, SortOrder, TooltipDisplayMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = models.DataSourceRef(type_val="prometheus", uid="$datasource")
WIDTH = 24


@dataclass(frozen=True)
class Flavour:
    """The system that shows a dashboard: Grafana with Prometheus, or PMM."""

    # The prefix of file names and uids.
    prefix: str
    title_prefix: str
    tags: Sequence[str]
    # Variables that select by the label of their name. Each one depends on the previous ones.
    variables: Sequence[str]
    range: str


PLAIN = Flavour("", "Kinoteka: ", ("kinoteka",), ("cluster",), "$__rate_interval")
# PMM's dashboards have these variables. Its menus find dashboards by these tags.
PMM = Flavour(
    "pmm-", "Kinoteka (PMM): ", ("kinoteka", "Percona", "PostgreSQL"), ("environment", "cluster"), "$interval"
)


@dataclass(frozen=True)
class Query:
    """An expression and the legend of its series."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """The contents of a panel, without its position."""

    kind: str
    title: str
    about: str
    unit: str
    queries: Sequence[Query]
    # In columns, of 24.
    width: int
    # Values with their names and colours.
    values: Sequence[tuple[int, str, str]] = ()
    # The panel is red from this value on, or below it if the second item is true.
    red: tuple[float, bool] | None = None


@dataclass(frozen=True)
class Page:
    """A dashboard."""

    name: str
    title: str
    about: str
    # A variable in addition to those of the flavour, and a metric that has all its values.
    variable: tuple[str, str] | None
    multi: bool
    rows: Sequence[tuple[str, Sequence[Panel]]]


def number(
    title: str, about: str, expr: str, unit: str = "short", *, red: float | None = None, red_below: float | None = None
) -> Panel:
    """The current value."""
    limit = (red, False) if red is not None else (red_below, True) if red_below is not None else None
    return Panel("stat", title, about, unit, [Query(expr, "")], 4, red=limit)


def lines(title: str, about: str, unit: str, *queries: tuple[str, str], width: int = 12) -> Panel:
    """Values over time. A query is an expression and the legend of its series."""
    return Panel("timeseries", title, about, unit, [Query(*query) for query in queries], width)


def states(title: str, about: str, expr: str, legend: str, *values: tuple[int, str, str]) -> Panel:
    """States over time: values with their names and colours."""
    return Panel("state-timeline", title, about, "short", [Query(expr, legend)], 12, values=values)


def ranking(title: str, about: str, unit: str, expr: str) -> Panel:
    """Series by their value, the largest first."""
    return Panel("table", title, about, unit, [Query(expr, "")], 24)


def build(page: Page, flavour: Flavour) -> models.Dashboard:
    """The dashboard in Grafana's format."""
    built = (
        dashboard.Dashboard(flavour.title_prefix + page.title)
        .uid(f"{flavour.prefix}kinoteka-{page.name}")
        .description(page.about)
        .tags(list(flavour.tags))
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("10s")
        .editable()
        .link(
            dashboard.DashboardLink("Kinoteka")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["kinoteka"])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
    )
    for variable in variables(page, flavour):
        built.with_variable(variable)
    choice = ",".join(f'{name}=~"${name}"' for name in flavour.variables)
    if page.variable is not None:
        choice += f',{page.variable[0]}=~"${page.variable[0]}"'
    for title, panels in page.rows:
        built.with_row(dashboard.Row(title))
        for panel in panels:
            built.with_panel(build_panel(panel, choice, flavour.range))
    return number_panels(built.build())


def variables(page: Page, flavour: Flavour) -> list[Builder[models.VariableModel]]:
    made: list[Builder[models.VariableModel]] = [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    ]
    if flavour.range == "$interval":
        first = models.VariableOption(selected=True, text="1m", value="1m")
        interval = dashboard.IntervalVariable("interval").label("Interval").values("1m,5m,1h,6h,1d").current(first)
        made.append(interval)
    chosen = ""
    for name in flavour.variables:
        made.append(choice_of(name, f"patroni_version{{{chosen}}}", multi=True))
        chosen += f'{name}=~"${name}",'
    if page.variable is not None:
        name, metric = page.variable
        made.append(choice_of(name, f"{metric}{{{chosen}}}", multi=page.multi))
    return made


def choice_of(name: str, metric: str, *, multi: bool) -> Builder[models.VariableModel]:
    """A variable that selects among the values of the label with its name."""
    variable = (
        dashboard.QueryVariable(name)
        .label(name.replace("_", " ").capitalize())
        .datasource(SOURCE)
        .query(f"label_values({metric.replace(',}', '}').replace('{}', '')}, {name})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if multi:
        everything = models.VariableOption(selected=True, text="All", value="$__all")
        variable.multi(True).include_all(True).all_value(".+").current(everything)
    return variable


def build_panel(panel: Panel, choice: str, rate_range: str) -> Builder[models.Panel]:
    queries = [
        prometheus.Dataquery()
        .ref_id(chr(ord("A") + index))
        .expr(
            query.expr.replace("{@", "{" + choice)
            .replace("{#", '{node_name=~"$node_name"')
            .replace("[@]", f"[{rate_range}]")
        )
        .legend_format(query.legend or "__auto")
        .datasource(SOURCE)
        for index, query in enumerate(panel.queries)
    ]
    match panel.kind:
        case "stat":
            return stat_panel(panel, queries)
        case "timeseries":
            return lines_panel(panel, queries)
        case "state-timeline":
            return states_panel(panel, queries)
        case "table":
            return table_panel(panel, queries)
        case kind:
            raise ValueError(f"{panel.title}: unknown kind of panel {kind}")


def stat_panel(panel: Panel, queries: list[prometheus.Dataquery]) -> Builder[models.Panel]:
    built = (
        stat.Panel()
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(panel.red))
        .unit(panel.unit)
        .title(panel.title)
        .description(panel.about)
        .datasource(SOURCE)
        .height(4)
        .span(panel.width)
    )
    return built.with_target(queries[0].instant())


def lines_panel(panel: Panel, queries: list[prometheus.Dataquery]) -> Builder[models.Panel]:
    built = (
        timeseries.Panel()
        .legend(
            VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .fill_opacity(10)
        .min(0)
        .unit(panel.unit)
        .title(panel.title)
        .description(panel.about)
        .datasource(SOURCE)
        .height(8)
        .span(panel.width)
    )
    for query in queries:
        built.with_target(query.range())
    return built


def states_panel(panel: Panel, queries: list[prometheus.Dataquery]) -> Builder[models.Panel]:
    options = {
        str(value): models.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(panel.values)
    }
    return (
        statetimeline.Panel()
        .mappings([models.ValueMap(options=options)])
        .title(panel.title)
        .description(panel.about)
        .datasource(SOURCE)
        .height(8)
        .span(panel.width)
        .with_target(queries[0].range())
    )


def table_panel(panel: Panel, queries: list[prometheus.Dataquery]) -> Builder[models.Panel]:
    hidden = models.DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
    sorted_down = models.DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": "Value", "desc": True}]})
    return (
        table.Panel()
        .unit(panel.unit)
        .title(panel.title)
        .description(panel.about)
        .datasource(SOURCE)
        .height(9)
        .span(panel.width)
        .with_target(queries[0].instant().format(PromQueryFormat.TABLE))
        .with_transformation(hidden)
        .with_transformation(sorted_down)
    )


def thresholds(red: tuple[float, bool] | None) -> dashboard.ThresholdsConfig:
    below, above = "green", "green"
    limit = 0.0
    if red is not None:
        limit, is_minimum = red
        below, above = ("red", "green") if is_minimum else ("green", "red")
    steps = [models.Threshold(value=None, color=below), models.Threshold(value=limit, color=above)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def number_panels(built: models.Dashboard) -> models.Dashboard:
    """Numbers the panels, so that links to them stay valid while their order does."""
    for index, panel in enumerate(built.panels or []):
        panel.id_val = index + 1
    return built
