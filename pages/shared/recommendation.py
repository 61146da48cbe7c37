"""What is said about the model below its field: why it is recommended for the data set, or what training from scratch costs and what to use instead."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.recommendation import COST_OF_SCRATCH, PRETRAINED, Recommendation, is_from_scratch, recommend_model
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.models.registry import FAMILIES
from pages.shared.forms import TYPED, field_key

USE_PRETRAINED = "Use pretrained weights"


def show_recommendation(place: DeltaGenerator, config: TrainConfig, info: DataInfo) -> None:
    """Write into `place`, below the field of the model, what speaks for the chosen model or against it. place: the container of the field."""
    recommendation = recommend_model(info)
    with place:
        if recommendation.is_pretrained and is_from_scratch(config):
            st.info(COST_OF_SCRATCH, icon=":material/info:")
            st.button(
                USE_PRETRAINED, key="use-pretrained", icon=":material/recommend:", on_click=_use_pretrained, args=(config.data,)
            )
        elif _follows(config, recommendation):
            st.caption(recommendation.reason)


def _follows(config: TrainConfig, recommendation: Recommendation) -> bool:
    """Whether what is recommended was chosen, with the settings that the sentence names; a reason why nothing is recommended always applies."""
    if not recommendation.is_pretrained:
        return bool(recommendation.reason) and is_from_scratch(config)
    return config.model == recommendation.model and config.weights == "pretrained" and config.train == "head"


def _use_pretrained(data: str) -> None:
    """Choose the pretrained network and its head, as in their fields; what was typed in other fields stays."""
    chosen, recipe = {"data": data, "model": PRETRAINED}, FAMILIES[PRETRAINED].defaults
    st.session_state["model"] = PRETRAINED
    for name in ("weights", "train"):
        st.session_state.get(TYPED, {}).pop(name, None)
        st.session_state[field_key(name, chosen)] = recipe[name]
